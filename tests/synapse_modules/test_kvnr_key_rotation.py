"""A new encryption key for the KVNRs: beside the old one, everywhere, then alone; a missing one is told at start."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
from pathlib import Path

import yaml

from synapse_modules.rules.kvnr_vault import key_id
from tests.synapse_modules.homeserver_under_test import REPOSITORY, Homeserver, claims, new_kvnr, running_homeserver

COUNT = 4


def write_keys(homeserver: Homeserver, *keys: bytes) -> None:
    lines = b"".join(base64.b64encode(key) + b"\n" for key in keys)
    (homeserver.folder / "encryption.key").write_bytes(lines)


async def rotate(homeserver: Homeserver) -> tuple[int, str]:
    config = homeserver.folder / "tools.yaml"
    key_file = f"{homeserver.folder}/operator.jwk"
    config.write_text(yaml.safe_dump({"url": homeserver.base, "client_id": "operator", "key_file": key_file}))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homeserver_tools", "rotate-kvnr-keys", "--config", str(config)),
        cwd=REPOSITORY,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def refuses_to_start(homeserver: Homeserver) -> str:
    command = [sys.executable, "-m", "synapse.app.homeserver", "-c", str(homeserver.folder / "homeserver.yaml")]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 1
    return ended.stderr.decode()


async def test_keys_change_without_losing_a_kvnr(tmp_path: Path) -> None:
    with running_homeserver(tmp_path) as homeserver:
        old, new = (homeserver.folder / "encryption.key").read_bytes(), os.urandom(32)
        kvnrs = {new_kvnr() for _ in range(COUNT)}
        people = {(await homeserver.sign_in(claims(kvnr))).user_id: kvnr for kvnr in kvnrs}
        first = next(iter(people))
        # As the first release wrote it: without the key's id.
        homeserver.change_row("UPDATE hek_account SET kvnr_sealed = SUBSTR(kvnr_sealed, 10) WHERE user_id = ?", first)
        sealed = homeserver.rows("SELECT user_id, kvnr_sealed FROM hek_account WHERE kvnr_sealed IS NOT NULL")

        homeserver.stop()
        write_keys(homeserver, old, new)
        homeserver.start()
        for _ in range(2):
            status, said = await rotate(homeserver)
            assert (status, "older keys may be taken out" in said) == (0, True), said
        query = "SELECT user_id, kvnr_sealed FROM hek_account WHERE kvnr_sealed IS NOT NULL"
        rotated = homeserver.rows(query)
        assert {seal.partition(".")[0] for _, seal in rotated} == {key_id(new)}
        assert len(rotated) == len(sealed) == COUNT

        homeserver.stop()
        write_keys(homeserver, old)
        assert f"the key {key_id(new)} is missing" in refuses_to_start(homeserver)
        write_keys(homeserver, new)
        homeserver.start()
        for user_id, kvnr in people.items():
            _, found = await homeserver.machine(
                "bot", "insured:read", "POST", "/v1/insured/lookup", {"user_id": user_id}
            )
            assert found["kvnr"] == kvnr

        homeserver.change_row("UPDATE hek_account SET kvnr_sealed = ? WHERE user_id = ?", dict(sealed)[first], first)
        status, said = await rotate(homeserver)
        assert (status, "kvnr-key-missing" in said) == (3, True), said
        homeserver.stop()
        assert "the key of the first release is missing" in refuses_to_start(homeserver)
        write_keys(homeserver, old, new)
        homeserver.start()
