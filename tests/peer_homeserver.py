"""The closest peer, synapse-invite-checker, on stock Synapse; it is installed for one run, into a folder of that run.

Nothing of it is in the repository. It is written for a fork of Synapse, so that a shim keeps one callback from stock
Synapse that only the fork has.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.bare_homeserver import Homeserver, make_homeserver
from tests.synapse_modules.certificate_authority import CertificateAuthority
from tests.synapse_modules.federation_lists import PATH, ListSigner

PEER = "synapse-invite-checker==0.6.1"
_NEEDS = ("asyncache", "cachetools", "emoji", "jwcrypto", "pyopenssl")
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


def peers_trust(domains: Sequence[Mapping[str, Any]]) -> web.Application:
    """A federation list with some domains on it, and the authority that the peer checks it against."""
    authority = CertificateAuthority("Root", ec.BrainpoolP256R1())
    certificate = authority.certificate.public_bytes(Encoding.DER)
    signed = ListSigner("BP256R1", authority).sign({"version": 1, "domainList": list(domains)})

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


def make_peer(folder: Path, settings: Mapping[str, object], trust_port: int, *, of_insured: bool = False) -> Homeserver:
    """Stock Synapse with the peer, everybody allowed.

    Args:
        folder: an empty one.
        settings: of Synapse.
        trust_port: where ``peers_trust`` is served.
        of_insured: in its mode for insured people (``epa``); otherwise in that for practices (``pro``).
    """
    packages = folder / "packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages)]
    subprocess.run([*command, PEER, *_NEEDS], check=True, capture_output=True)
    (folder / "peer_shim.py").write_text(_SHIM.format(folder=str(packages)))
    trust = f"http://127.0.0.1:{trust_port}"
    module = {
        "module": "peer_shim.Shimmed",
        "config": {
            "tim-type": "epa" if of_insured else "pro",
            "federation_list_url": trust + PATH,
            "federation_list_require_mtls": False,
            "gematik_ca_baseurl": trust,
            "default_permissions": {"defaultSetting": "allow all"},
        },
    }
    # It asks on loopback, which Synapse's client refuses otherwise.
    homeserver = make_homeserver(folder, {**settings, "ip_range_blacklist": []})
    file = folder / "homeserver.yaml"
    written = yaml.safe_load(file.read_text())
    written["modules"].append(module)
    file.write_text(yaml.safe_dump(written))
    return homeserver
