"""The three homeservers whose rules are compared, on copies of one database: bare Synapse, ours, the closest peer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.copied_databases import Databases, installed_databases
from benchmarks.policy_scene import Scene, make_scene
from sandbox.ports import reserve_port
from tests.bare_homeserver import make_homeserver, unlimited
from tests.peer_homeserver import PEER, make_peer, peers_trust
from tests.synapse_modules.federation_lists import entry
from tests.synapse_modules.homeserver_under_test import SERVER_NAME
from tests.synapse_modules.stand_ins import serving

PEER_IS = (
    f"{PEER} in its mode for practices (tim-type pro), everybody allowed; a shim keeps on_upgrade_room from stock"
    " Synapse, which lacks this callback of the fork that it is written for"
)
"""How the peer is run."""
_OF_OURS = frozenset(
    {"form_secret_path", "listeners", "macaroon_secret_key_path", "media_store_path", "modules", "oidc_providers"}
    | {"database", "pid_file", "public_baseurl", "signing_key_path"}
)
"""What the others do not take over of our homeserver's settings: its ways in, and where it lies."""
_ALL = unlimited() | {"caches": {"global_factor": 10}}
"""Settings of all three. With caches of Synapse's usual size, 500 accounts, its directory of users reads all members
of a room of 1,000 anew at every join, and works on for many minutes, whatever is measured."""


@dataclass(frozen=True, slots=True)
class Side:
    """A homeserver that runs."""

    name: str
    url: str
    pid: int
    home: Path
    databases: Databases

    def of_database(self) -> list[int]:
        """The processes that work for its database alone."""
        return self.databases.processes(self.home)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is measured where: bare Synapse first, then ours, then the peer."""

    scene: Scene
    sides: Sequence[Side]
    database: str


@contextmanager
def all_sides(folder: Path, members: int) -> Iterator[Comparison]:
    """Makes the scene, and runs the three side by side."""
    homes, trust_port = {name: folder / name for name in ("bare", "ours", "peer")}, reserve_port()
    for home in homes.values():
        home.mkdir()
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        stack.enter_context(serving(peers_trust([entry(SERVER_NAME)]), trust_port))
        databases = stack.enter_context(installed_databases())
        ours = stack.enter_context(databases.running_ours(homes["ours"], _ALL))
        all_settings: dict[str, object] = yaml.safe_load((homes["ours"] / "homeserver.yaml").read_text())
        settings = {key: value for key, value in all_settings.items() if key not in _OF_OURS}
        making = [
            pool.submit(make_homeserver, homes["bare"], settings | databases.settings(homes["bare"])),
            pool.submit(make_peer, homes["peer"], settings | databases.settings(homes["peer"]), trust_port),
        ]
        scene = asyncio.run(make_scene(ours, members, invites_into_large=databases.take_many_members))
        others = [one.result() for one in making]
        ours.stop()
        # Only now, so that the copies are made of a database that nobody writes to.
        databases.copy(ours, [one.folder for one in others])
        starting = [pool.submit(one.start) for one in others]
        ours.start()
        for one, started in zip(others, starting, strict=True):
            started.result()
            stack.callback(one.stop)
        bare, peer = others
        addresses = {"bare": bare.url, "ours": ours.base, "peer": peer.url}
        processes = {"bare": bare.process, "ours": ours.process, "peer": peer.process}
        sides = [
            Side(name, addresses[name], one.pid, homes[name], databases)
            for name, one in processes.items()
            if one is not None
        ]
        yield Comparison(scene, sides, databases.product)
