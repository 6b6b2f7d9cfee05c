"""The three homeservers whose rules are compared, on copies of one database: bare Synapse, ours, the closest peer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from aiohttp.test_utils import unused_port

from benchmarks.policy_scene import Scene, make_scene
from tests.bare_homeserver import make_homeserver, unlimited
from tests.peer_homeserver import PEER, make_peer, peers_trust
from tests.synapse_modules.federation_lists import entry
from tests.synapse_modules.homeserver_under_test import SERVER_NAME, running_homeserver
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


@dataclass(frozen=True, slots=True)
class Side:
    """A homeserver that runs."""

    name: str
    url: str
    pid: int


def _copy(database: Path, to: Path) -> None:
    """Copies a SQLite database, with what still stands in its write-ahead log."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


@contextmanager
def all_sides(folder: Path, members: int) -> Iterator[tuple[Scene, list[Side]]]:
    """Makes the scene, and runs the three side by side: bare Synapse first, then ours, then the peer."""
    homes, trust_port = {name: folder / name for name in ("bare", "ours", "peer")}, unused_port()
    for home in homes.values():
        home.mkdir()
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        stack.enter_context(serving(peers_trust([entry(SERVER_NAME)]), trust_port))
        ours = stack.enter_context(running_homeserver(homes["ours"], more_synapse=unlimited()))
        all_settings: dict[str, object] = yaml.safe_load((homes["ours"] / "homeserver.yaml").read_text())
        settings = {key: value for key, value in all_settings.items() if key not in _OF_OURS}
        making = [
            pool.submit(make_homeserver, homes["bare"], settings),
            pool.submit(make_peer, homes["peer"], settings, trust_port),
        ]
        scene = asyncio.run(make_scene(ours, members))
        ours.stop()
        others = [one.result() for one in making]
        for one in others:
            _copy(homes["ours"] / "homeserver.db", one.database)
        # Only now, so that the copies were made of a database that nobody writes to.
        starting = [pool.submit(one.start) for one in others]
        ours.start()
        for one, started in zip(others, starting, strict=True):
            started.result()
            stack.callback(one.stop)
        bare, peer = others
        addresses = {"bare": bare.url, "ours": ours.base, "peer": peer.url}
        processes = {"bare": bare.process, "ours": ours.process, "peer": peer.process}
        yield scene, [Side(name, addresses[name], one.pid) for name, one in processes.items() if one is not None]
