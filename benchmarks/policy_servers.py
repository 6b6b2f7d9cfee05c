"""The three homeservers whose rules are compared, on copies of one database: bare Synapse, ours, the closest peer."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from aiohttp.test_utils import unused_port
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from benchmarks.policy_scene import Scene, make_scene
from tests import bare_homeserver
from tests.bare_homeserver import make_homeserver, unlimited
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


@contextmanager
def _running(name: str, homeserver: bare_homeserver.Homeserver, database: Path) -> Iterator[Side]:
    shutil.copyfile(database, homeserver.database)
    homeserver.start()
    try:
        assert homeserver.process is not None
        yield Side(name, homeserver.url, homeserver.process.pid)
    finally:
        homeserver.stop()


@contextmanager
def _bare(folder: Path, settings: Mapping[str, object], database: Path) -> Iterator[Side]:
    """Stock Synapse."""
    with _running("bare", make_homeserver(folder, settings), database) as side:
        yield side


@contextmanager
def _peer(folder: Path, settings: Mapping[str, object], database: Path) -> Iterator[Side]:
    """Stock Synapse with synapse-invite-checker, installed for this run alone, without a Synapse of its own."""
    packages = folder / "packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages)]
    subprocess.run([*command, PEER, *_PEER_NEEDS], check=True, capture_output=True)  # noqa: S603 - our own
    (folder / "peer_shim.py").write_text(_SHIM.format(folder=str(packages)))
    port = unused_port()
    module = {
        "module": "peer_shim.Shimmed",
        "config": {
            "tim-type": "pro",
            "federation_list_url": f"http://127.0.0.1:{port}{PATH}",
            "federation_list_require_mtls": False,
            "gematik_ca_baseurl": f"http://127.0.0.1:{port}",
            "default_permissions": {"defaultSetting": "allow all"},
        },
    }
    # It asks on loopback, which Synapse's client refuses otherwise.
    homeserver = make_homeserver(folder, {**settings, "modules": [module], "ip_range_blacklist": []})
    with serving(_trust(port), port), _running("peer", homeserver, database) as side:
        yield side


@contextmanager
def all_sides(folder: Path, members: int) -> Iterator[tuple[Scene, list[Side]]]:
    """Makes the scene, and runs the three side by side: bare Synapse first, then ours, then the peer."""
    homes = {name: folder / name for name in ("ours", "bare", "peer")}
    for home in homes.values():
        home.mkdir()
    with ExitStack() as stack:
        homeserver = stack.enter_context(running_homeserver(homes["ours"], more_synapse=unlimited()))
        scene = asyncio.run(make_scene(homeserver, members))
        homeserver.stop()
        ours: dict[str, Any] = yaml.safe_load((homes["ours"] / "homeserver.yaml").read_text())
        settings = {key: value for key, value in ours.items() if key not in _OF_OURS}
        database = homes["ours"] / "homeserver.db"
        bare = stack.enter_context(_bare(homes["bare"], settings, database))
        peer = stack.enter_context(_peer(homes["peer"], settings, database))
        # Last, so that the copies were made of a database that nobody writes to.
        homeserver.start()
        assert homeserver.process is not None
        yield scene, [bare, Side("ours", homeserver.base, homeserver.process.pid), peer]
