"""The spool leaves nothing behind and shows nothing to others."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from messenger_core.matrix.media.spool import PIECE_BYTES, Spool, SpooledFile, SpoolUnusable
from tests.messenger_core.matrix.media_scene import open_files


async def everything_of(file: SpooledFile) -> bytes:
    return b"".join([piece async for piece in file.pieces()])


async def test_what_was_written_is_read_as_often_as_needed(tmp_path: Path) -> None:
    written = os.urandom(2 * PIECE_BYTES + 17)
    async with Spool(tmp_path / "spool").file() as file:
        assert await everything_of(file) == b""
        await file.write(written[:1000])
        await file.write(written[1000:])
        assert file.size == len(written)
        assert await everything_of(file) == written
        assert await everything_of(file) == written


async def test_a_file_has_no_name_and_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "session" / "spool"
    async with Spool(folder).file() as file:
        await file.write(b"x")
        assert list(folder.iterdir()) == []
        (descriptor,) = open_files(folder)
        assert os.fstat(descriptor).st_mode & 0o777 == 0o600
        assert os.fstat(descriptor).st_nlink == 0
    assert folder.stat().st_mode & 0o777 == 0o700
    assert open_files(folder) == []


async def test_what_a_kill_left_is_swept_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "left").write_bytes(b"x")
    Spool(tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_a_cancelled_write_leaves_nothing(tmp_path: Path) -> None:
    spool, entered = Spool(tmp_path), asyncio.Event()

    async def write_on() -> None:
        async with spool.file() as file:
            entered.set()
            while True:
                await file.write(bytes(PIECE_BYTES))

    writing = asyncio.create_task(write_on())
    await entered.wait()
    await asyncio.sleep(0.05)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert list(tmp_path.iterdir()) == []
    assert open_files(tmp_path) == []


async def test_a_disk_that_takes_nothing_is_an_outage() -> None:
    with Path("/dev/full").open("r+b", buffering=0) as full:  # noqa: ASYNC230 - a device that answers at once
        file = SpooledFile(full)
        with pytest.raises(SpoolUnusable) as refused:
            await file.write(b"x" * PIECE_BYTES)
    assert refused.value.outage


async def test_a_folder_that_is_gone_is_an_outage(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    (tmp_path / "spool").rmdir()
    with pytest.raises(SpoolUnusable):
        async with spool.file():
            pytest.fail("there is no folder")
