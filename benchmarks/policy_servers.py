"""The three homeservers whose rules are compared, each with people of its own: bare Synapse, ours, the closest peer."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web
from aiohttp.test_utils import unused_port
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from messenger_core.homeserver_interface import KEY_LOGIN_TYPE, LOGIN_PATH
from messenger_core.service_auth.assertions import make_assertion
from tests.bare_homeserver import CLIENT_ID, SERVER_NAME, Homeserver, make_homeserver, unlimited
from tests.synapse_modules.certificate_authority import CertificateAuthority
from tests.synapse_modules.federation_lists import PATH, ListSigner, entry
from tests.synapse_modules.homeserver_under_test import SUPPORT, running_homeserver
from tests.synapse_modules.stand_ins import serving

PEER = ("synapse-invite-checker==0.6.1", "asyncache", "cachetools", "emoji", "jwcrypto", "pyopenssl")
"""What is installed of the peer, without its own Synapse, into a folder of the benchmark alone."""
_SHIM = '''
"""Loads synapse-invite-checker on stock Synapse, which lacks one callback of the fork that it is written for."""
import sys
sys.path.append({folder!r})
from synapse_invite_checker import InviteChecker

class Shimmed:
    parse_config = staticmethod(InviteChecker.parse_config)

    def __init__(self, config, api):
        register = api.register_third_party_rules_callbacks

        def without_the_forks(**callbacks):
            callbacks.pop("on_upgrade_room", None)
            register(**callbacks)

        api.register_third_party_rules_callbacks = without_the_forks
        self.peer = InviteChecker(config, api)
'''


@dataclass(frozen=True, slots=True)
class Someone:
    """Somebody with a device."""

    user_id: str
    access_token: str


@dataclass(frozen=True, slots=True)
class Side:
    """A homeserver: who opens rooms there, and how another person comes to be."""

    name: str
    url: str
    opener: Callable[[], Awaitable[Someone]]
    another: Callable[[int], Awaitable[Someone]]


async def _with_key(homeserver: Homeserver, localpart: str) -> Someone:
    """Signs in at a homeserver whose accounts sign in with the test's key, which makes them."""
    audience = homeserver.url + LOGIN_PATH
    body = {
        "type": KEY_LOGIN_TYPE,
        "identifier": {"type": "m.id.user", "user": localpart},
        "assertion": make_assertion(homeserver.key, client_id=CLIENT_ID, audience=audience, now=datetime.now(UTC)),
    }
    async with aiohttp.ClientSession() as http, http.post(audience, json=body) as answer:
        answer.raise_for_status()
        content = await answer.json()
    return Someone(content["user_id"], content["access_token"])


def _side(name: str, homeserver: Homeserver) -> Side:
    return Side(
        name,
        homeserver.url,
        lambda: _with_key(homeserver, "opener"),
        lambda number: _with_key(homeserver, f"agent.{number}"),
    )


@contextmanager
def bare(folder: Path) -> Iterator[Side]:
    """Stock Synapse."""
    homeserver = make_homeserver(folder, unlimited())
    homeserver.start()
    try:
        yield _side("bare Synapse", homeserver)
    finally:
        homeserver.stop()


@contextmanager
def ours(folder: Path) -> Iterator[Side]:
    """The homeserver with the module; the room is a team's, the only kind that may have many members."""
    with running_homeserver(folder, more_synapse=unlimited()) as homeserver:

        async def opener() -> Someone:
            signed_in = await homeserver.own_account(SUPPORT, "bot")
            return Someone(signed_in.user_id, signed_in.access_token)

        async def another(number: int) -> Someone:
            signed_in = await homeserver.new_agent(f"a{number}")
            return Someone(signed_in.user_id, signed_in.access_token)

        yield Side("ours", homeserver.base, opener, another)


def _trust(port: int) -> web.Application:
    """A federation list with this homeserver on it, and the authority that the peer checks it against."""
    authority = CertificateAuthority("Root", ec.BrainpoolP256R1())
    certificate = authority.certificate.public_bytes(Encoding.DER)
    signed = ListSigner("BP256R1", authority).sign({"version": 1, "domainList": [entry(SERVER_NAME)]})

    async def federation_list(_request: web.Request) -> web.Response:
        return web.Response(body=signed.encode())

    async def roots(_request: web.Request) -> web.Response:
        return web.json_response([{"cert": base64.b64encode(certificate).decode()}])

    async def issuer(_request: web.Request) -> web.Response:
        return web.Response(body=certificate)

    app = web.Application()
    app.router.add_get(PATH, federation_list)
    app.router.add_get("/ECC/ROOT-CA/roots.json", roots)
    app.router.add_get("/ECC/SUB-CA/{name}", issuer)
    return app


@contextmanager
def peer(folder: Path) -> Iterator[Side]:
    """The same bare Synapse with synapse-invite-checker, installed for this run alone, in its mode for practices."""
    packages = folder / "packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), *PEER]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
    (folder / "peer_shim.py").write_text(_SHIM.format(folder=str(packages)))
    port = unused_port()
    homeserver = make_homeserver(folder, unlimited())
    settings = yaml.safe_load((folder / "homeserver.yaml").read_text())
    settings["modules"].append(
        {
            "module": "peer_shim.Shimmed",
            "config": {
                "tim-type": "pro",
                "federation_list_url": f"http://127.0.0.1:{port}{PATH}",
                "federation_list_require_mtls": False,
                "gematik_ca_baseurl": f"http://127.0.0.1:{port}",
                "default_permissions": {"defaultSetting": "allow all"},
            },
        }
    )
    # It is asked on loopback, which Synapse's client refuses otherwise.
    settings["ip_range_blacklist"] = []
    (folder / "homeserver.yaml").write_text(yaml.safe_dump(settings))
    with serving(_trust(port), port):
        homeserver.start()
        try:
            yield _side("peer", homeserver)
        finally:
            homeserver.stop()


@contextmanager
def all_sides(folder: Path) -> Iterator[list[Side]]:
    """The three of them side by side."""
    with ExitStack() as stack:
        sides = []
        for start in (bare, ours, peer):
            own = folder / start.__name__
            own.mkdir()
            sides.append(stack.enter_context(start(own)))
        yield sides


def ciphertext() -> dict[str, str]:
    """What a message of a client looks like to the homeserver."""
    return {
        "algorithm": "m.megolm.v1.aes-sha2",
        "device_id": "DEVICE",
        "session_id": "A" * 43,
        "sender_key": "B" * 43,
        "ciphertext": "C" * 300,
    }
