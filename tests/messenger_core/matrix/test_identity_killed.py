"""The account's device under kill -9 at random moments: one identity, one device, and every key given out opens."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bare_homeserver import Homeserver, make_homeserver, unlimited
from tests.messenger_core.matrix.identity_scene import (
    MOST,
    Account,
    ask_for_keys,
    claim,
    drain,
    first_message,
    opens,
    sync,
    verified_master,
)

_KILLS, _MOST_KILLS = 12, 120
_CLAIMS = 7


@contextmanager
def _opening(account: Account) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has begun to open the account's device; it is killed in the end."""
    command = [sys.executable, "-m", "tests.messenger_core.matrix.identity_process", account.homeserver.url]
    command += [str(account.homeserver.key_file), str(account.folder), account.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as process:
        try:
            _wait_for_opening(process)
            yield process
            assert process.poll() is None, "it ended by itself"
        finally:
            process.kill()


def _wait_for_opening(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == b"opening\n"


def _full_life_s(account: Account) -> float:
    """How long a new device takes, on this machine, from its first opening to its next one."""
    with _opening(account) as process:
        started = time.monotonic()
        _wait_for_opening(process)
        return time.monotonic() - started


def _live_and_die(account: Account, life_s: float) -> None:
    """Runs the process until ``life_s`` after it has begun to open its device."""
    with _opening(account):
        time.sleep(life_s)


@pytest.fixture(scope="module")
def patient_homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """One that lets an account sign in as often as it is killed."""
    homeserver = make_homeserver(tmp_path_factory.mktemp("patient-homeserver"), unlimited())
    homeserver.start()
    yield homeserver
    homeserver.stop()


async def test_row_05_kills_at_random_moments_leave_one_identity_and_keys_that_open(
    patient_homeserver: Homeserver, tmp_path: Path
) -> None:
    homeserver = patient_homeserver
    account, stranger = Account(homeserver, tmp_path), Account(homeserver, tmp_path / "stranger")
    chance = random.Random(5)
    claimed: list[tuple[str, dict[str, Any]]] = []
    devices, identities = set(), set()
    full_life_s = _full_life_s(Account(homeserver, tmp_path / "measured"))
    for kill in range(_MOST_KILLS):
        if kill >= _KILLS and len(claimed) >= _CLAIMS:
            break
        _live_and_die(account, chance.random() * full_life_s)
        async with stranger.calls("STRANGER") as other:
            answer = await ask_for_keys(other, account.user_id)
            listed = answer["device_keys"].get(account.user_id, {})
            assert len(listed) <= 1
            for device_id in listed:
                devices.add(device_id)
                # A kill between the upload of the device and that of its first key leaves it without one for a moment.
                wish = {"one_time_keys": {account.user_id: {device_id: "signed_curve25519"}}}
                keys = (await other.post("/_matrix/client/v3/keys/claim", wish))["one_time_keys"]
                claimed += keys.get(account.user_id, {}).get(device_id, {}).items()
            if account.user_id in answer["master_keys"]:
                identities.add(str(answer["master_keys"][account.user_id]["keys"]))
    assert len(devices) == len(identities) == 1
    assert len(claimed) >= _CLAIMS
    async with account.device() as (own, calls), stranger.calls("STRANGER") as other:
        assert {calls.device_id} == devices
        verified_master(await ask_for_keys(other, account.user_id), account.user_id, calls.device_id)
        once = [name for name, key in claimed if not key.get("fallback")]
        assert len(once) == len(set(once))
        for _, key in claimed:
            assert opens(own.machine, *first_message(own, key))
        await sync(own, calls)
        left = await drain(other, account, calls.device_id)
        assert not left & set(once)
        assert MOST // 2 <= len(left) <= MOST
        _, key = await claim(other, account.user_id, calls.device_id)
        assert opens(own.machine, *first_message(own, key))
