"""A file of 100 MB is received and relayed in bounded memory, measured in a process of its own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.bare_homeserver import Homeserver, make_homeserver
from tests.messenger_core.matrix.media_scene import LARGEST, NOW, ROOM, media_scene

_MOST = 64 * 1024 * 1024
_SIZE = 100 * 1024 * 1024


@pytest.fixture
def roomy_homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """A homeserver that takes files of this size; Synapse's own limit is 50 MB."""
    homeserver = make_homeserver(tmp_path_factory.mktemp("roomy"), {"max_upload_size": "200M"})
    homeserver.start()
    yield homeserver
    homeserver.stop()


async def test_a_file_of_100_mb_takes_less_than_64_mb_of_memory(roomy_homeserver: Homeserver, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    expected = hashlib.sha256()
    with large.open("wb") as file:
        for number in range(_SIZE // 1_048_576):
            piece = hashlib.sha256(str(number).encode()).digest() * 32_768
            expected.update(piece)
            file.write(piece)
    async with media_scene(roomy_homeserver, tmp_path) as scene:
        content = await scene.transfer.upload(ROOM, large, NOW + timedelta(days=1))
        order = {
            "url": roomy_homeserver.url,
            "token": scene.calls.access_token,
            "user_id": scene.calls.user_id,
            "folder": str(tmp_path),
            "largest_file_bytes": LARGEST,
            "content": content,
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.messenger_core.matrix.media_memory",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await child.communicate(json.dumps(order).encode())
        assert child.returncode == 0
        measured = json.loads(output)
        assert measured["sha256"] == expected.hexdigest()
        assert measured["additional_to_receive"] < _MOST, measured
        assert measured["additional_to_relay"] < _MOST, measured
        found = hashlib.sha256()
        async with scene.transfer.fetch(ROOM, measured["content"], NOW) as relayed:
            async for piece in relayed.chunks():
                found.update(piece)
        assert found.digest() == expected.digest()
    sys.stdout.write(f"additional memory: {measured['additional_to_receive']} to receive, ")
    sys.stdout.write(f"{measured['additional_to_relay']} to relay (bytes)\n")
