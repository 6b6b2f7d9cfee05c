"""Nothing that a stranger's device sends to the session's device stops it, is believed, or reaches a log."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import vodozemac

from tests.bare_homeserver import Homeserver
from tests.clients.hostile_client import Refused
from tests.messenger_core.matrix.hostile_scene import MARK, SECRET, Scene, hostile_scene
from tests.messenger_core.matrix.hostile_to_device import REFUSED, TO_DEVICE, Sending, ToDevicePoison, nested

pytestmark = pytest.mark.asyncio(loop_scope="module")
_SURELY_TOO_DEEP = 2_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(homeserver: Homeserver, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One session that all the poison goes to, one after the other."""
    folder = tmp_path_factory.mktemp("hostile")
    async with hostile_scene(homeserver, folder, f"sqlite:///{folder}/service.db") as scene:
        await scene.open_rooms()
        yield scene


async def send(scene: Scene, sending: Sending) -> str:
    """Sends to the session's device, and waits until it was in the session's own sync."""
    kind, content = sending
    mark = secrets.token_hex(8)
    if isinstance(content, bytes):
        marked: object = b'{"%s":"%s",%s' % (MARK.encode(), mark.encode(), content[1:])
    else:
        marked = {MARK: mark, **content}
    await scene.hostile.to_device(kind, marked)
    return mark


@pytest.mark.parametrize("poison", TO_DEVICE, ids=lambda poison: poison.name)
async def test_the_session_goes_on_after(
    scene: Scene, poison: ToDevicePoison, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "messenger_core")
    caplog.set_level(logging.DEBUG, "nio")
    marks = {await send(scene, sending) for sending in poison.sendings(scene)}
    await scene.until(lambda: marks <= scene.arrivals.marks, "the poison is in the session's sync")
    await scene.goes_on(poison.name)
    assert SECRET not in caplog.text


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED.keys())
async def test_the_homeserver_lets_nobody_send(scene: Scene, content: bytes) -> None:
    with pytest.raises(Refused):
        await send(scene, ("org.example.refused", content))


async def test_the_session_goes_on_after_the_deepest_content_that_the_homeserver_takes(scene: Scene) -> None:
    deep, too_deep = 1, _SURELY_TOO_DEEP
    marks = set()
    while too_deep - deep > 1:
        levels = (deep + too_deep) // 2
        try:
            marks.add(await send(scene, ("m.room.encrypted", nested(levels))))
        except Refused:
            too_deep = levels
        else:
            deep = levels
    # Otherwise the homeserver has learned to refuse it, and this test shows little.
    assert deep > 500
    await scene.until(lambda: marks <= scene.arrivals.marks, "the poison is in the session's sync")
    await scene.goes_on(f"{deep} levels")


async def test_a_room_key_in_clear_reads_nothing(scene: Scene) -> None:
    """A key that came without Olm proves nothing about who sent it; what it would read stays unread."""
    session = vodozemac.GroupSession()
    mark = await send(scene, ("m.room_key", scene.hostile.room_key(scene.shared_room, session)))
    await scene.until(lambda: mark in scene.arrivals.marks, "the key is in the session's sync")
    payload = {"type": "m.room.message", "room_id": scene.shared_room, "content": {"msgtype": "m.text", "body": SECRET}}
    content = scene.hostile.megolm(session, json.dumps(payload))
    event_id = await scene.hostile.send(scene.shared_room, "m.room.encrypted", content)
    await scene.until(lambda: event_id in scene.arrivals.events, "the event is in the session's sync")
    await scene.goes_on("a key in clear")
    assert event_id not in scene.handled
