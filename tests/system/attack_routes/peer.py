"""The same routes on the closest peer, which is made for insured people's servers: practices are on another one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sandbox.ports import reserve_port
from tests.bare_homeserver import Homeserver
from tests.peer_homeserver import make_peer, peers_trust
from tests.synapse_modules.federation import Federation, listed, running_practices
from tests.synapse_modules.federation_lists import entry
from tests.synapse_modules.homeserver_under_test import IK, SignedIn
from tests.synapse_modules.stand_ins import serving
from tests.system.attack_routes.people import BareScene

_SETTLES_S = 1.5
"""After which what one honest server sent has arrived at the other; for a count, not for a test."""


class PeerScene(BareScene):
    """Stock Synapse with the peer in its mode for insured people, and bare Synapse with practices beside it."""

    async def practice(self, name: str) -> SignedIn:
        return await BareScene(self.federation).person(name)

    def address_of(self, who: SignedIn | None) -> str:
        practices = self.federation.practices
        is_practice = who is not None and who.user_id.endswith(f":{practices.server_name}")
        return practices.process.url if is_practice else self.base

    async def settles(self) -> None:
        await asyncio.sleep(_SETTLES_S)


@contextmanager
def running_peer(folder: Path, federation: Federation) -> Iterator[PeerScene]:
    """Starts the peer beside everything else; its list says that its own users are insured."""
    trust_port = reserve_port()
    with ExitStack() as running:

        def make(home: Path, settings: Mapping[str, object]) -> Homeserver:
            domains = listed(federation.practices, federation.hostile, federation.insurer)
            domains.append(entry(str(settings["server_name"]), insured_of=IK))
            running.enter_context(serving(peers_trust(domains), trust_port))
            return make_peer(home, settings, trust_port, of_insured=True)

        server = running.enter_context(running_practices(folder, federation.authority, address="127.0.0.7", make=make))
        yield PeerScene(federation, server)
