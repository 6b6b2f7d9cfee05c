"""What signing in costs: bare Synapse beside our mapping provider, at the same plain OpenID provider, round by round.

    python benchmarks/sign_in.py [--quick]

Then the whole way of a person in the sandbox, through broker and federation, beside an agent's plain OpenID Connect.
Prints a table and, as its last line, one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.ports import reserve_port

# It is run as a file, so Python looks for modules beside it; what it measures lies one folder up.
sys.path.insert(0, str(Path(__file__).parents[1]))

from sandbox.headless_sign_in import sign_in
from sandbox.identity_provider.register import read_people
from sandbox.running import Folder
from tests.bare_homeserver import make_homeserver, unlimited
from tests.synapse_modules.browsing import Browser
from tests.synapse_modules.homeserver_under_test import claims, new_kvnr, running_homeserver
from tests.synapse_modules.stand_ins import OpenIdProvider, serving
from tests.system.conftest import start_sandbox, stop

_GOAL = 1.2
_AT_ONCE = 5
_EVERY_S = 6.0
_CALLBACK = "http://localhost/signed-in"
_PLAIN_MAPPING = {"localpart_template": "{{ user.localpart }}", "display_name_template": "{{ user.name }}"}


@dataclass
class Way:
    """One way in and how long its sign-ins took, in seconds, from the client's first request to its access token."""

    name: str
    url: str
    provider: OpenIdProvider
    first_s: list[float] = field(default_factory=list)
    """Sign-ins that make an account."""
    again_s: list[float] = field(default_factory=list)
    """Sign-ins of somebody who has one: a new device."""

    @property
    def rounds_s(self) -> list[float]:
        """Both sign-ins of each round together: half of what is compared makes accounts, half does not."""
        return [first + again for first, again in zip(self.first_s, self.again_s, strict=True)]

    async def sign_in(self, said: dict[str, str]) -> float:
        """Signs somebody in as a client does and returns how long it took.

        Raises:
            RuntimeError: if she did not get in.
        """
        started = time.perf_counter()
        self.provider.claims = said
        browser = Browser(stops_at=_CALLBACK)
        start = f"{self.url}/_matrix/client/v3/login/sso/redirect/oidc-gesundheitsid?redirectUrl={_CALLBACK}"
        address, page = await browser.open(start)
        if page.terms:
            address, page = await browser.open(address, {"accepted_version": page.terms})
        if not address.startswith(_CALLBACK):
            raise RuntimeError(f"{self.name}: {page.text[:300]}")
        await browser.log_in(self.url, address)
        return time.perf_counter() - started

    async def one_round(self) -> None:
        """A new person, and then another device of hers."""
        kvnr = new_kvnr()
        said = claims(kvnr) | {"localpart": f"p{kvnr.lower()}", "name": "Erika Muster"}
        self.first_s.append(await self.sign_in(said))
        self.again_s.append(await self.sign_in(said))


@contextmanager
def _bare(folder: Path) -> Iterator[Way]:
    """Stock Synapse with its own mapping provider and the same terms to accept."""
    port = reserve_port()
    provider = OpenIdProvider(port)
    templates = Path(__file__).parents[1] / "synapse_modules" / "templates"
    settings: dict[str, object] = unlimited() | {
        "oidc_providers": [
            {
                "idp_id": "gesundheitsid",
                "idp_name": "GesundheitsID",
                "issuer": provider.issuer("gesundheitsid"),
                "client_id": "homeserver",
                "client_secret": "secret",
                "pkce_method": "always",
                "scopes": ["openid"],
                "user_mapping_provider": {"config": _PLAIN_MAPPING},
            }
        ],
        "sso": {"client_whitelist": [_CALLBACK]},
        "templates": {"custom_template_directory": str(templates)},
        "user_consent": {"template_dir": str(templates), "version": "1.0", "require_at_registration": True},
    }
    homeserver = make_homeserver(folder, settings)
    with serving(provider.app, port):
        homeserver.start()
        try:
            yield Way("bare Synapse", homeserver.url, provider)
        finally:
            homeserver.stop()


@contextmanager
def _ours(folder: Path) -> Iterator[Way]:
    """The homeserver with the module; limits of requests are off on both sides."""
    with running_homeserver(folder, more_synapse=unlimited()) as homeserver:
        yield Way("with the module", homeserver.base, homeserver.provider)


async def _measure(ways: Sequence[Way], rounds: int) -> None:
    for way in ways:
        await way.one_round()
        way.first_s.clear()
        way.again_s.clear()
    for number in range(rounds):
        # Whoever is first in a round is second in the next: a busy machine treats both alike.
        for way in ways if number % 2 else list(reversed(ways)):
            await way.one_round()


async def _through_the_federation(
    folder: Path, ready: dict[str, object], rounds: int
) -> tuple[list[float], list[float]]:
    """How long another device takes a person through broker and federation, and an agent past them, in seconds."""
    people, agents = read_people(Folder(folder).people_file)
    taken: dict[str, list[float]] = {"person": [], "agent": []}
    several = min(len(people), len(agents))
    for number in range(-several, rounds):
        if number >= _AT_ONCE * several:
            # The sandbox has the limits that are shipped: of one account a few at once, then one every 5 seconds.
            await asyncio.sleep(_EVERY_S / several)
        for name, somebody in (("person", people[number % several]), ("agent", agents[number % several])):
            started = time.perf_counter()
            await sign_in(str(ready["homeserver"]), somebody)
            if number >= 0:
                taken[name].append(time.perf_counter() - started)
    return taken["person"], taken["agent"]


def _measure_the_federation(folder: Path, rounds: int) -> tuple[list[float], list[float]]:
    process, sandbox = start_sandbox(folder)
    try:
        return asyncio.run(_through_the_federation(folder, sandbox.ready, rounds))
    finally:
        stop(process)


def figures(bare: Way, ours: Way, federation_s: Sequence[float], plain_oidc_s: Sequence[float]) -> dict[str, float]:
    """What is compared: medians in milliseconds, and their ratio, of both kinds of sign-in together."""

    def median_ms(values: Sequence[float]) -> float:
        return round(statistics.median(values) * 1000, 1)

    return {
        "median_ratio": round(statistics.median(ours.rounds_s) / statistics.median(bare.rounds_s), 3),
        "median_ratio_first": round(statistics.median(ours.first_s) / statistics.median(bare.first_s), 3),
        "median_ratio_again": round(statistics.median(ours.again_s) / statistics.median(bare.again_s), 3),
        "bare_first_ms": median_ms(bare.first_s),
        "bare_again_ms": median_ms(bare.again_s),
        "module_first_ms": median_ms(ours.first_s),
        "module_again_ms": median_ms(ours.again_s),
        "federation_again_ms": median_ms(federation_s),
        "plain_oidc_again_ms": median_ms(plain_oidc_s),
    }


def table(found: dict[str, float], rounds: int) -> list[str]:
    """The figures for a person to read."""
    return [
        f"Signing in, {rounds} rounds, medians in milliseconds (from the client's request to its access token)",
        f"{'':18}{'first sign-in':>15}{'another device':>16}",
        f"{'bare Synapse':18}{found['bare_first_ms']:>15}{found['bare_again_ms']:>16}",
        f"{'with the module':18}{found['module_first_ms']:>15}{found['module_again_ms']:>16}",
        f"the whole way in the sandbox: {found['federation_again_ms']} through broker and federation, "
        f"{found['plain_oidc_again_ms']} with plain OpenID Connect (another device)",
        f"ratio {found['median_ratio']} (goal: at most {_GOAL})",
    ]


def main() -> None:
    """Prints a table and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    rounds = 20 if parser.parse_args().quick else 150
    with TemporaryDirectory() as folder:
        bare_folder, our_folder = Path(folder, "bare"), Path(folder, "ours")
        bare_folder.mkdir()
        our_folder.mkdir()
        with _bare(bare_folder) as bare, _ours(our_folder) as ours:
            asyncio.run(_measure([bare, ours], rounds))
        whole_folder = Path(folder, "sandbox")
        whole_folder.mkdir()
        federation_s, plain_oidc_s = _measure_the_federation(whole_folder, rounds)
    found = figures(bare, ours, federation_s, plain_oidc_s)
    print("\n".join(table(found, rounds)))  # noqa: T201 - what it is for
    print(json.dumps(found))  # noqa: T201 - as above


if __name__ == "__main__":
    main()
