"""The three homeservers whose rules are compared, on copies of one database: bare Synapse, ours, the closest peer."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from aiohttp import web
from aiohttp.test_utils import unused_port
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from benchmarks.policy_scene import Scene, make_scene
from tests.bare_homeserver import Homeserver, make_homeserver, unlimited
from tests.synapse_modules.certificate_authority import CertificateAuthority
from tests.synapse_modules.federation_lists import PATH, ListSigner, entry
from tests.synapse_modules.homeserver_under_test import SERVER_NAME, running_homeserver
from tests.synapse_modules.stand_ins import serving

PEER = "synapse-invite-checker==0.6.1"
PEER_IS = (
    f"{PEER} in its mode for practices (tim-type pro), everybody allowed; a shim keeps on_upgrade_room from stock"
    " Synapse, which lacks this callback of the fork that it is written for"
)
"""How the peer is run."""
_PEER_NEEDS = ("asyncache", "cachetools", "emoji", "jwcrypto", "pyopenssl")
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


def _peer(folder: Path, settings: Mapping[str, object], trust_port: int) -> Homeserver:
    """Stock Synapse with synapse-invite-checker, installed for this run alone, without a Synapse of its own."""
    packages = folder / "packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages)]
    subprocess.run([*command, PEER, *_PEER_NEEDS], check=True, capture_output=True)  # noqa: S603 - our own
    (folder / "peer_shim.py").write_text(_SHIM.format(folder=str(packages)))
    trust = f"http://127.0.0.1:{trust_port}"
    module = {
        "module": "peer_shim.Shimmed",
        "config": {
            "tim-type": "pro",
            "federation_list_url": trust + PATH,
            "federation_list_require_mtls": False,
            "gematik_ca_baseurl": trust,
            "default_permissions": {"defaultSetting": "allow all"},
        },
    }
    # It asks on loopback, which Synapse's client refuses otherwise.
    return make_homeserver(folder, {**settings, "modules": [module], "ip_range_blacklist": []})


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
        stack.enter_context(serving(_trust(trust_port), trust_port))
        ours = stack.enter_context(running_homeserver(homes["ours"], more_synapse=unlimited()))
        all_settings: dict[str, object] = yaml.safe_load((homes["ours"] / "homeserver.yaml").read_text())
        settings = {key: value for key, value in all_settings.items() if key not in _OF_OURS}
        making = [
            pool.submit(make_homeserver, homes["bare"], settings),
            pool.submit(_peer, homes["peer"], settings, trust_port),
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
