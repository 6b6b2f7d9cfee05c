"""Files over a line that breaks: nothing is lost, nothing is left behind, and no address is wasted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from messenger_core.matrix.events import FileToSend
from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.media.transfer import MediaTransfer
from tests.bare_homeserver import Homeserver
from tests.messenger_core.matrix.media_scene import (
    LARGEST,
    NOW,
    ROOM,
    MediaScene,
    media_scene,
    open_files,
    sealed,
    unsealed,
)

DATA = os.urandom(3_000_000)
FILE = FileToSend(DATA, "Befund.pdf", "application/pdf")


@pytest.fixture
async def scene(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[MediaScene]:
    async with media_scene(homeserver, tmp_path) as scene:
        yield scene


def asked_for(scene: MediaScene, what: str) -> int:
    return sum(what in request for request in scene.line.requests)


async def test_an_upload_that_breaks_off_goes_on_under_the_same_address(scene: MediaScene) -> None:
    scene.line.cut_after = 1_000_000
    content = await scene.transfer.upload(ROOM, FILE, NOW)
    assert scene.line.cuts == 1
    assert asked_for(scene, "media/v1/create") == 1
    assert asked_for(scene, "PUT ") == 2
    assert await unsealed(scene, content["file"]) == DATA
    assert await scene.noted() == {ROOM: [content["file"]["url"]]}


async def test_an_upload_whose_answer_was_lost_is_done_again_and_both_addresses_are_noted(scene: MediaScene) -> None:
    scene.line.swallowed, scene.line.swallow = b"PUT ", 1
    content = await scene.transfer.upload(ROOM, FILE, NOW)
    assert await unsealed(scene, content["file"]) == DATA
    noted = (await scene.noted())[ROOM]
    assert len(noted) == 2
    assert content["file"]["url"] in noted
    assert await scene.ledger.reserved(scene.calls.user_id) == []


async def test_a_file_comes_back_in_one_piece_from_a_line_that_broke(scene: MediaScene) -> None:
    content = {"msgtype": "m.file", "body": "x", "file": await sealed(scene, DATA)}
    scene.line.cut_after = 1_000_000
    with pytest.raises(SendFailed) as broken:
        async with scene.transfer.fetch(ROOM, content, NOW):
            pytest.fail("it was given out")
    assert broken.value.outage
    assert open_files(scene.spool) == []
    async with scene.transfer.fetch(ROOM, content, NOW) as file:
        assert await file.read() == DATA


async def test_a_homeserver_that_stays_away_is_told_and_the_address_is_noted_and_kept(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    async with media_scene(homeserver, tmp_path, outage_s=0) as scene:
        scene.line.cut_after = 1_000_000
        with pytest.raises(SendFailed) as away:
            await scene.transfer.upload(ROOM, FILE, NOW)
        assert away.value.outage
        (kept,) = (await scene.noted())[ROOM]
        assert await scene.ledger.reserved(scene.calls.user_id) == [kept]
        content = await scene.transfer.upload(ROOM, FILE, NOW)
        assert content["file"]["url"] == kept


async def _interrupt(scene: MediaScene, transfer: MediaTransfer) -> None:
    """Cancels an upload while its bytes are on their way."""
    before = asked_for(scene, "PUT ")
    uploading = asyncio.create_task(transfer.upload(ROOM, FILE, NOW))
    while asked_for(scene, "PUT ") == before:
        await asyncio.sleep(0)
        assert not uploading.done()
    uploading.cancel()
    with suppress(asyncio.CancelledError):
        await uploading


async def test_cancelled_uploads_leave_no_file_and_use_up_no_address(scene: MediaScene) -> None:
    """The homeserver gives five in a day to one account; each of these would hold one."""
    for _ in range(7):
        await _interrupt(scene, scene.transfer)
        assert open_files(scene.spool) == []
    content = await scene.transfer.upload(ROOM, FILE, NOW)
    assert await unsealed(scene, content["file"]) == DATA
    assert await scene.ledger.reserved(scene.calls.user_id) == []


async def test_a_process_that_was_killed_leaves_its_address_to_the_next_one(scene: MediaScene) -> None:
    for _ in range(7):
        # A new transfer on the same database is what a new process has.
        await _interrupt(scene, MediaTransfer(scene.calls, scene.ledger, scene.spool, LARGEST))
    again = MediaTransfer(scene.calls, scene.ledger, scene.spool, LARGEST)
    content = await again.upload(ROOM, FILE, NOW)
    assert await unsealed(scene, content["file"]) == DATA
    assert asked_for(scene, "media/v1/create") <= 5


async def test_an_address_that_the_homeserver_does_not_know_any_more_is_replaced(scene: MediaScene) -> None:
    """After 24 hours Synapse takes no file there."""
    expired = "mxc://session.localhost/expired"
    await scene.ledger.reserve(expired, ROOM, NOW, user_id=scene.calls.user_id)
    content = await scene.transfer.upload(ROOM, FILE, NOW)
    assert content["file"]["url"] != expired
    assert await unsealed(scene, content["file"]) == DATA
    assert await scene.ledger.reserved(scene.calls.user_id) == []


async def test_a_cancelled_fetch_leaves_no_file(scene: MediaScene) -> None:
    content = {"msgtype": "m.file", "body": "x", "file": await sealed(scene, DATA)}

    async def receive() -> None:
        async with scene.transfer.fetch(ROOM, content, NOW):
            pytest.fail("it was cancelled before")

    receiving = asyncio.create_task(receive())
    while not open_files(scene.spool):  # noqa: ASYNC110 - a file on disk has no event
        await asyncio.sleep(0)
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert open_files(scene.spool) == []
