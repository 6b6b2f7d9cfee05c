"""The whole way in: a real homeserver, the broker, the federation; and out again when the broker ends a session."""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Sandbox

_WAIT_S = 100.0


def whoami(sandbox: Sandbox, access_token: str) -> int:
    address = f"{sandbox.ready['homeserver']}/_matrix/client/v3/account/whoami"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {access_token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def broker(sandbox: Sandbox, *arguments: str, said: str = "") -> str:
    """One of the broker's commands."""
    command = [sys.executable, "-m", "gesundheitsid", "--config", sandbox.ready["config"]["gesundheitsid"]]
    done = subprocess.run([*command, *arguments], input=said, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_a_session_that_the_broker_ends_is_signed_out_of_the_homeserver(sandbox: Sandbox) -> None:
    device, other = sandbox.sign_in("max"), sandbox.sign_in("jonas")
    assert whoami(sandbox, device["access_token"]) == 200
    ended = broker(sandbox, "end-sessions", said=sandbox.ready["people"]["max"]["kvnr"])
    assert int(ended.removeprefix("sessions ended: ")) >= 1
    deadline = time.monotonic() + _WAIT_S
    while whoami(sandbox, device["access_token"]) != 401:
        assert time.monotonic() < deadline, "the homeserver was not told"
        time.sleep(0.2)
    assert whoami(sandbox, other["access_token"]) == 200
    assert sandbox.sign_in("max")["user_id"] == device["user_id"]


def test_a_key_that_is_rotated_locks_nobody_out(sandbox: Sandbox) -> None:
    for purpose in ("tls", "encryption", "id-token"):
        broker(sandbox, "rotate-keys", purpose)
        sandbox.sign_in("jonas")


async def test_the_federation_is_reached_with_the_sandboxs_authority_alone(sandbox: Sandbox) -> None:
    context = ssl.create_default_context(cafile=sandbox.ready["federation_ca_file"])
    for entity in ("federation_master", "sectoral_idp"):
        address = f"{sandbox.ready[entity]}/.well-known/openid-federation"
        async with aiohttp.ClientSession() as http:
            async with http.get(address, ssl=context) as answer:
                assert answer.content_type == "application/entity-statement+jwt"
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await http.get(address)


def test_no_log_names_a_person(sandbox: Sandbox) -> None:
    sandbox.sign_in("jonas")
    sandbox.run("sign-in", "lena")
    log = (Path(sandbox.ready["log_dir"]) / "gesundheitsid.log").read_text()
    assert "sign-in refused: level-too-low" in log
    for name in ("jonas", "lena"):
        assert sandbox.ready["people"][name]["kvnr"] not in log
    assert "Jonas" not in log
