"""Files through a real homeserver, with nio as the other side."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from messenger_core.matrix.events import FileToSend
from messenger_core.matrix.faults import FileUnreadable, SendFailed
from messenger_core.matrix.media.transfer import MediaTransfer
from sandbox.key_sign_in import sign_in_with_key
from tests.bare_homeserver import CLIENT_ID, Homeserver
from tests.messenger_core.matrix.media_scene import NOW, ROOM, MediaScene, media_scene, open_files, sealed, unsealed

OTHER_ROOM = "!other:session.localhost"
PLAIN = b"\0\0\0\x18ftypmp42" + b"health data of one person; " * 20_000
SMALL = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + b"a small picture of it; " * 100


@pytest.fixture
async def scene(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[MediaScene]:
    async with media_scene(homeserver, tmp_path) as scene:
        yield scene


async def video(scene: MediaScene) -> dict[str, Any]:
    """A video with a caption and a thumbnail."""
    return {
        "msgtype": "m.video",
        "body": "So sieht es aus",
        "filename": "Knie.mp4",
        "file": await sealed(scene, PLAIN),
        "info": {
            "mimetype": "video/mp4",
            "size": 10**15,
            "w": 1920,
            "h": 1080,
            "duration": 12_000,
            "thumbnail_file": await sealed(scene, SMALL),
            "thumbnail_info": {"mimetype": "image/jpeg", "w": 320, "h": 180, "size": 1},
        },
    }


async def test_a_file_of_another_client_is_received_with_all_that_is_said_about_it(scene: MediaScene) -> None:
    content = await video(scene)
    async with scene.transfer.fetch(ROOM, content, NOW) as file:
        assert await file.read() == PLAIN
        assert b"".join([piece async for piece in file.chunks()]) == PLAIN
        assert (file.name, file.media_type, file.message_type) == ("Knie.mp4", "video/mp4", "m.video")
        assert file.caption == "So sieht es aus"
        assert file.size == len(PLAIN)
        assert file.info == {"mimetype": "video/mp4", "size": len(PLAIN), "w": 1920, "h": 1080, "duration": 12_000}
        assert file.thumbnail is not None
        assert await file.thumbnail.read() == SMALL
        assert file.thumbnail.info == {"mimetype": "image/jpeg", "w": 320, "h": 180, "size": len(SMALL)}
    ours = {content["file"]["url"], content["info"]["thumbnail_file"]["url"]}
    assert {room: set(media) for room, media in (await scene.noted()).items()} == {ROOM: ours}


async def test_a_relayed_file_is_encrypted_anew_and_keeps_what_belongs_to_it(scene: MediaScene) -> None:
    theirs = await video(scene)
    async with scene.transfer.fetch(ROOM, theirs, NOW) as file:
        ours = await scene.transfer.upload(OTHER_ROOM, file, NOW + timedelta(minutes=1), caption=file.caption)
    assert await unsealed(scene, ours["file"]) == PLAIN
    assert await unsealed(scene, ours["info"]["thumbnail_file"]) == SMALL
    assert {key: value for key, value in ours.items() if key not in {"file", "info"}} == {
        "msgtype": "m.video",
        "body": "So sieht es aus",
        "filename": "Knie.mp4",
    }
    assert {key: value for key, value in ours["info"].items() if key != "thumbnail_file"} == {
        "mimetype": "video/mp4",
        "size": len(PLAIN),
        "w": 1920,
        "h": 1080,
        "duration": 12_000,
        "thumbnail_info": {"mimetype": "image/jpeg", "w": 320, "h": 180, "size": len(SMALL)},
    }
    files = [content["file"] for content in (theirs, ours)]
    files += [content["info"]["thumbnail_file"] for content in (theirs, ours)]
    assert len({file["key"]["k"] for file in files}) == 4
    assert len({file["iv"] for file in files}) == 4
    noted = await scene.noted()
    assert {room: set(media) for room, media in noted.items()} == {
        ROOM: {files[0]["url"], files[2]["url"]},
        OTHER_ROOM: {files[1]["url"], files[3]["url"]},
    }


async def test_a_relayed_file_without_its_caption_says_nothing_of_it(scene: MediaScene) -> None:
    theirs = {"msgtype": "m.file", "body": "internal remark", "filename": "x.pdf", "file": await sealed(scene, PLAIN)}
    async with scene.transfer.fetch(ROOM, theirs, NOW) as file:
        ours = await scene.transfer.upload(ROOM, file, NOW)
    assert (ours["body"], ours["filename"]) == ("x.pdf", "x.pdf")
    assert "internal remark" not in str(ours)


async def test_a_voice_message_is_relayed_as_one(scene: MediaScene) -> None:
    voice = {
        "msgtype": "m.audio",
        "body": "Voice message.ogg",
        "file": await sealed(scene, PLAIN),
        "info": {"mimetype": "audio/ogg", "duration": 4200},
        "org.matrix.msc3245.voice": {},
        "org.matrix.msc1767.audio": {"duration": 4200, "waveform": [1, 2, 3]},
    }
    async with scene.transfer.fetch(ROOM, voice, NOW) as file:
        ours = await scene.transfer.upload(ROOM, file, NOW)
    assert ours["msgtype"] == "m.audio"
    assert ours["info"]["duration"] == 4200
    assert ours["org.matrix.msc3245.voice"] == {}
    assert ours["org.matrix.msc1767.audio"] == {"duration": 4200, "waveform": [1, 2, 3]}


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 300_000])
async def test_a_file_in_memory_of_any_size_is_sent_and_received(scene: MediaScene, size: int) -> None:
    data = os.urandom(size)
    content = await scene.transfer.upload(ROOM, FileToSend(data, "Brief.pdf", "application/pdf"), NOW)
    assert content["msgtype"] == "m.file"
    assert content["info"] == {"mimetype": "application/pdf", "size": size}
    assert await unsealed(scene, content["file"]) == data
    async with scene.transfer.fetch(ROOM, content, NOW) as file:
        assert await file.read() == data


async def test_a_file_on_disk_is_sent(scene: MediaScene, tmp_path: Path) -> None:
    path = tmp_path / "Bild.png"
    path.write_bytes(PLAIN)
    content = await scene.transfer.upload(ROOM, path, NOW)
    assert (content["msgtype"], content["body"], content["info"]["mimetype"]) == ("m.image", "Bild.png", "image/png")
    assert await unsealed(scene, content["file"]) == PLAIN


async def test_a_file_on_disk_that_is_gone_is_told_without_its_name(scene: MediaScene, tmp_path: Path) -> None:
    with pytest.raises(SendFailed) as refused:
        await scene.transfer.upload(ROOM, tmp_path / "Befund-Erika.pdf", NOW)
    assert "Erika" not in str(refused.value)
    assert not refused.value.outage


async def test_only_ciphertext_lies_on_the_disk(scene: MediaScene) -> None:
    content = await video(scene)

    def on_disk() -> bytes:
        return b"".join(Path(f"/proc/self/fd/{number}").read_bytes() for number in open_files(scene.spool))

    async with scene.transfer.fetch(ROOM, content, NOW) as file:
        async for _ in file.chunks():
            assert await scene.given(content["file"]["url"]) in on_disk()
            assert PLAIN[12:39] not in on_disk()
            assert SMALL[:23] not in on_disk()
        relaying = asyncio.create_task(scene.transfer.upload(ROOM, file, NOW))
        most = 0
        while not relaying.done():
            most = max(most, len(on_disk()))
            assert PLAIN[12:39] not in on_disk()
            await asyncio.sleep(0)
        await relaying
        assert most >= 2 * len(PLAIN)
    assert open_files(scene.spool) == []
    assert list(scene.spool.iterdir()) == []


def _changed(**parts: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda content: {**content, "file": {**content["file"], **parts}}


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("wrong_hash", _changed(hashes={"sha256": "A" * 43})),
        ("missing", _changed(url="mxc://session.localhost/AAAAAAAAAAAAAAAAAAAAAAAA")),
        ("bad_iv", _changed(iv="AAAAAAAAAAD/////////8w")),
        ("no_hash", _changed(hashes={})),
        ("bad_key", _changed(key={})),
        ("bad_address", _changed(url="https://elsewhere.example")),
        ("not_encrypted", lambda content: {**content, "file": None, "url": content["file"]["url"]}),
    ],
)
async def test_a_file_that_is_not_what_its_event_says_is_refused_before_a_byte_of_it_is_given_out(
    scene: MediaScene, reason: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    content = {"msgtype": "m.file", "body": "Befund.pdf", "file": await sealed(scene, PLAIN)}
    with pytest.raises(FileUnreadable) as refused:
        async with scene.transfer.fetch(ROOM, change(content), NOW):
            pytest.fail("it was given out")
    assert refused.value.reason == reason
    assert open_files(scene.spool) == []


async def test_every_address_is_noted_also_if_the_file_cannot_be_read(scene: MediaScene) -> None:
    content = {
        "url": "mxc://session.localhost/clear",
        "file": {"url": "mxc://session.localhost/file"},
        "info": {
            "thumbnail_url": "mxc://session.localhost/small-clear",
            "thumbnail_file": {"url": "mxc://session.localhost/small"},
        },
    }
    with pytest.raises(FileUnreadable):
        async with scene.transfer.fetch(ROOM, content, NOW):
            pytest.fail("it was given out")
    names = {mxc.rpartition("/")[2] for mxc in (await scene.noted())[ROOM]}
    assert names == {"clear", "file", "small-clear", "small"}


async def test_a_thumbnail_that_cannot_be_read_is_left_out(scene: MediaScene) -> None:
    content = await video(scene)
    content["info"]["thumbnail_file"]["hashes"] = {"sha256": "A" * 43}
    async with scene.transfer.fetch(ROOM, content, NOW) as file:
        assert file.thumbnail is None
        ours = await scene.transfer.upload(ROOM, file, NOW)
    assert "thumbnail_file" not in ours["info"]
    assert await unsealed(scene, ours["file"]) == PLAIN


async def test_what_is_larger_than_the_setting_is_neither_received_nor_sent(scene: MediaScene) -> None:
    small = MediaTransfer(scene.calls, scene.ledger, scene.spool, 100_000)
    content = {"msgtype": "m.file", "body": "x", "file": await sealed(scene, PLAIN), "info": {"size": 1}}
    with pytest.raises(FileUnreadable) as unread:
        async with small.fetch(ROOM, content, NOW):
            pytest.fail("it was given out")
    assert unread.value.reason == "too_large"
    with pytest.raises(SendFailed) as unsent:
        await small.upload(ROOM, FileToSend(PLAIN, "x", "text/plain"), NOW)
    assert unsent.value.errcode == "M_TOO_LARGE"
    assert not unsent.value.outage
    assert open_files(scene.spool) == []
    exact = MediaTransfer(scene.calls, scene.ledger, scene.spool, len(PLAIN))
    async with exact.fetch(ROOM, content, NOW) as file:
        await exact.upload(ROOM, file, NOW)


async def test_what_is_larger_than_the_homeserver_takes_is_not_begun(scene: MediaScene) -> None:
    with pytest.raises(SendFailed) as refused:
        await scene.transfer.upload(ROOM, FileToSend(bytes(51 * 1024 * 1024), "x", "text/plain"), NOW)
    assert refused.value.errcode == "M_TOO_LARGE"
    assert not any("create" in request or "upload" in request for request in scene.line.requests)


async def test_an_ended_token_holds_no_file_up(scene: MediaScene, homeserver: Homeserver) -> None:
    content = {"msgtype": "m.file", "body": "x", "file": await sealed(scene, PLAIN)}

    async def end_token() -> None:
        await sign_in_with_key(
            homeserver.url, user_id=scene.calls.user_id, client_id=CLIENT_ID, key=homeserver.key, device_id="MEDIA"
        )

    await end_token()
    async with scene.transfer.fetch(ROOM, content, NOW) as file:
        assert hashlib.sha256(await file.read()).digest() == hashlib.sha256(PLAIN).digest()
        await end_token()
        ours = await scene.transfer.upload(ROOM, file, NOW)
    assert await unsealed(scene, ours["file"]) == PLAIN


async def test_many_files_at_once_stay_within_what_the_homeserver_allows(scene: MediaScene) -> None:
    """It lets an account have five addresses that are not filled yet."""
    scene.line.slow_s = 1
    files = [FileToSend(os.urandom(50_000), f"{number}.bin", "application/octet-stream") for number in range(15)]
    sending = [asyncio.create_task(scene.transfer.upload(ROOM, file, NOW)) for file in files[:8]]
    # It counts before it gives an address, so that those asked for at the same instant are not refused.
    await asyncio.sleep(0.5)
    sending += [asyncio.create_task(scene.transfer.upload(ROOM, file, NOW)) for file in files[8:]]
    sent = await asyncio.gather(*sending)
    assert [await unsealed(scene, content["file"]) for content in sent] == [file.data for file in files]
    # Asked for a sixth one, it refuses, and the account has to wait.
    assert sum("media/v1/create" in request for request in scene.line.requests) == len(files)
    assert open_files(scene.spool) == []
