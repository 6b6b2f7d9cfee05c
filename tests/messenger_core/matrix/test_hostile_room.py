"""Nothing that a member writes into a room stops the session, is handled twice, or reaches a log."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from tests.bare_homeserver import Homeserver
from tests.clients.hostile_client import Refused
from tests.messenger_core.matrix.hostile_room import ROOM, RoomPoison
from tests.messenger_core.matrix.hostile_scene import SECRET, Scene, hostile_scene

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(homeserver: Homeserver, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One session that all the poison goes to, one after the other."""
    folder = tmp_path_factory.mktemp("hostile")
    async with hostile_scene(homeserver, folder, f"sqlite:///{folder}/service.db") as scene:
        await scene.open_rooms()
        yield scene


@pytest.mark.parametrize("poison", ROOM, ids=lambda poison: poison.name)
async def test_the_session_goes_on_after(scene: Scene, poison: RoomPoison, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "messenger_core")
    caplog.set_level(logging.DEBUG, "nio")
    written = await poison.write(scene)
    await scene.until(lambda: set(written) <= scene.arrivals.events.keys(), "the poison is in the session's sync")
    if poison.handled:
        await scene.until(lambda: scene.handled[written[-1]] == 1, "the service gets it to see")
    await scene.goes_on(poison.name)
    if poison.handled:
        event = scene.handled_as(written[-1])
        assert event.sender == scene.hostile.signed_in.user_id
        assert event.room_id in {scene.shared_room, scene.hostile_room}
        assert not (event.encrypted and event.state_key is not None)
        assert datetime.now(UTC) - event.sent_at < timedelta(hours=1)
    else:
        assert scene.handled[written[-1]] == 0
    assert SECRET not in caplog.text


async def test_nobody_redacts_what_another_wrote(scene: Scene) -> None:
    """The homeserver refuses it; that is why the session may believe a redaction that it is sent."""
    sent = await scene.honest.send_text(scene.shared_room, f"{SECRET} stays")
    with pytest.raises(Refused) as refusal:
        await scene.hostile.send(scene.shared_room, "m.room.redaction", {"redacts": sent})
    assert refusal.value.status == 403
    await scene.goes_on("a refused redaction")


async def test_the_session_goes_on_after_a_restart_over_all_of_it(scene: Scene) -> None:
    """Run alone it shows little: it is the rooms that the tests above left behind."""
    before = scene.handled
    await scene.stop()
    await scene.start()
    await scene.goes_on("after the restart")
    assert all(scene.handled[event_id] == 1 for event_id in before)
