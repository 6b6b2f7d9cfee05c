"""Two real homeservers that federate over TLS, and hostile ones beside them, all on loopback.

=============  ==================================================================================
``ours``       Synapse with the module
``practices``  bare Synapse: an honest server of practices, on the federation list
``hostile``    on the federation list too, and says whatever the test wants
``insurer``    says whatever the test wants; the list says that its users are insured elsewhere
``stranger``   says whatever the test wants; not on the list
=============  ==================================================================================
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import yaml

from messenger_core.service_auth.assertions import make_assertion
from sandbox.ports import reserve_port
from tests import bare_homeserver
from tests.clients.hostile_server import HostileServer, running_hostile_server
from tests.synapse_modules.certificate_authority import CertificateAuthority
from tests.synapse_modules.federation_lists import ListPublisher, entry
from tests.synapse_modules.homeserver_under_test import (
    CIPHERTEXT,
    MEGOLM,
    Homeserver,
    SignedIn,
    running_homeserver,
)
from tests.synapse_modules.stand_ins import serving

OTHER_IK = "109500969"


class PracticesServer:
    """A bare Synapse whose users are practices; they sign in with the test's key."""

    def __init__(self, server_name: str, homeserver: bare_homeserver.Homeserver) -> None:
        self.server_name = server_name
        self.process = homeserver

    async def call(
        self, who: SignedIn | None, method: str, path: str, body: object | None = None
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {who.access_token}"} if who else {}
        address = f"{self.process.url}/_matrix/client/v3{path}"
        async with aiohttp.ClientSession(headers=headers) as http, http.request(method, address, json=body) as answer:
            return answer.status, await answer.json(content_type=None)

    async def new_practice(self, localpart: str = "") -> SignedIn:
        """A practice that is signed in."""
        user = localpart or f"praxis-{secrets.token_hex(4)}"
        audience = f"{self.process.url}/_matrix/client/v3/login"
        assertion = make_assertion(
            self.process.key, client_id=bare_homeserver.CLIENT_ID, audience=audience, now=datetime.now(UTC)
        )
        body = {
            "type": "de.hek.login.private_key_jwt",
            "identifier": {"type": "m.id.user", "user": user},
            "assertion": assertion,
        }
        status, content = await self.call(None, "POST", "/login", body)
        assert status == 200, content
        return SignedIn(content["user_id"], content["access_token"], content["device_id"])

    async def create_room(self, who: SignedIn, *invite: str, **more: Any) -> tuple[int, dict[str, Any]]:
        """A room as a practice's client on a server of the TI opens it: encrypted, history from the invitation on."""
        history = {"type": "m.room.history_visibility", "content": {"history_visibility": "invited"}}
        body = {
            "preset": "private_chat",
            "invite": list(invite),
            "initial_state": [MEGOLM, history | {"state_key": ""}],
            "room_version": "10",
        }
        return await self.call(who, "POST", "/createRoom", body | more)

    async def send(
        self, who: SignedIn, room_id: str, event_type: str = "m.room.encrypted", content: Any = None
    ) -> tuple[int, dict[str, Any]]:
        path = f"/rooms/{quote(room_id)}/send/{event_type}/{secrets.token_hex(8)}"
        return await self.call(who, "PUT", path, content or CIPHERTEXT)

    async def join(self, who: SignedIn, room_id: str) -> int:
        return (await self.call(who, "POST", f"/join/{quote(room_id)}", {}))[0]


@dataclass
class Federation:
    """Everything that is up, and the authority that all of its certificates come from."""

    ours: Homeserver
    practices: PracticesServer
    hostile: HostileServer
    insurer: HostileServer
    stranger: HostileServer
    lists: ListPublisher
    authority: CertificateAuthority

    @property
    def listed(self) -> list[dict[str, Any]]:
        """What stands on the list while nothing else is said."""
        return listed(self.practices, self.hostile, self.insurer)

    def practices_user(self, localpart: str) -> str:
        """A user of the practices' server, whether there is one or not."""
        return f"@{localpart}:{self.practices.server_name}"


def listed(practices: PracticesServer, hostile: HostileServer, insurer: HostileServer) -> list[dict[str, Any]]:
    """The entries of the three."""
    return [
        entry(practices.server_name),
        entry(hostile.server_name),
        entry(insurer.server_name, insured_of=OTHER_IK),
    ]


async def sync(ours: Homeserver, who: SignedIn) -> dict[str, Any]:
    """Everything that a person's client shows, as it is now: Synapse keeps an answer for two minutes."""
    status, answer = await ours.call(who, "GET", f"/sync?timeout={secrets.randbelow(10**9)}")
    assert status == 200, answer
    return answer


def federation_listener(address: str, port: int, *, tls: bool = True) -> dict[str, object]:
    """A listener of Synapse's for other servers."""
    resources = [{"names": ["federation"], "compress": False}]
    return {"port": port, "bind_addresses": [address], "type": "http", "tls": tls, "resources": resources}


_SWITCHED_ON = {
    # What Synapse, or our own file for it, has switched off until an operator wants it.
    "presence": {"enabled": True},
    "max_event_delay_duration": "1d",
    "server_notices": {"system_mxid_localpart": "notices", "system_mxid_display_name": "Notices"},
}


def over_tls(folder: Path, authority: CertificateAuthority, address: str) -> dict[str, object]:
    """Settings of a Synapse whose certificate is the authority's, as are those that it trusts."""
    certificate, key = authority.write_server(folder, address)
    return {
        "tls_certificate_path": str(certificate),
        "tls_private_key_path": str(key),
        "federation_custom_ca_list": [str(authority.write(folder))],
        "ip_range_blacklist": [],
        "rc_federation": {"sleep_limit": 10_000, "reject_limit": 10_000, "concurrent": 100},
        "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), bare_homeserver.WITHOUT_LIMIT),
        "rc_joins": dict.fromkeys(("local", "remote"), bare_homeserver.WITHOUT_LIMIT),
        "federation": {"client_timeout": "10s", "destination_min_retry_interval": "1s"},
    }


def following(lists: ListPublisher, roots: Path) -> dict[str, object]:
    """Settings of our module that follow a publisher's list."""
    return {"list_url": lists.url, "list_roots_file": str(roots), "seconds_between_misses": 1}


@contextmanager
def running_practices(
    folder: Path,
    authority: CertificateAuthority,
    *,
    address: str = "127.0.0.3",
    make: Callable[[Path, Mapping[str, object]], bare_homeserver.Homeserver] = bare_homeserver.make_homeserver,
) -> Iterator[PracticesServer]:
    """A bare Synapse, or what is made of one, that federates."""
    folder.mkdir()
    port = reserve_port()
    more: Mapping[str, object] = {
        "server_name": f"{address}:{port}",
        **_SWITCHED_ON,
        **over_tls(folder, authority, address),
        **bare_homeserver.unlimited(),
    }
    homeserver = make(folder, more)
    file = folder / "homeserver.yaml"
    settings = yaml.safe_load(file.read_text())
    settings["listeners"].append(federation_listener(address, port))
    file.write_text(yaml.safe_dump(settings))
    homeserver.start()
    try:
        yield PracticesServer(f"{address}:{port}", homeserver)
    finally:
        homeserver.stop()


@contextmanager
def running_federation(
    folder: Path,
    authority: CertificateAuthority | None = None,
    *,
    practices_are_insured_of: str | None = None,
    **more_module: object,
) -> Iterator[Federation]:
    """Starts everything; what a test changes must not matter to the others.

    Args:
        folder: where everything of it lies.
        authority: whom all servers trust; one of their own if nobody else is to take part.
        practices_are_insured_of: the IK of the insurer of which the list says that ``practices`` is its server.
        more_module: settings of our module.
    """
    authority = authority or CertificateAuthority("Loopback")
    own_folder = folder / "ours"
    own_folder.mkdir()
    port, list_port = reserve_port(), reserve_port()
    server_name = f"127.0.0.2:{port}"
    list_root = CertificateAuthority("Federation list root")
    lists = ListPublisher(list_port, list_root)
    of_list = own_folder / "list"
    of_list.mkdir()
    with ExitStack() as running:
        practices = running.enter_context(running_practices(folder / "practices", authority))
        hostile, insurer, stranger = (
            running.enter_context(
                running_hostile_server(folder / name, authority, address, reserve_port(), server_name)
            )
            for name, address in (("hostile", "127.0.0.4"), ("insurer", "127.0.0.5"), ("stranger", "127.0.0.6"))
        )
        lists.publish(
            *listed(practices, hostile, insurer)[1:],
            entry(practices.server_name, insured_of=practices_are_insured_of),
        )
        running.enter_context(serving(lists.app, list_port))
        ours = running.enter_context(
            running_homeserver(
                own_folder,
                server_name=server_name,
                more_module=more_module | {"federation": following(lists, list_root.write(of_list))},
                more_synapse=_SWITCHED_ON | over_tls(own_folder, authority, "127.0.0.2"),
                more_listeners=[federation_listener("127.0.0.2", port)],
            )
        )
        yield Federation(ours, practices, hostile, insurer, stranger, lists, authority)
