"""The account is removed from a room and invited again while it is away: nothing from before the removal is lost."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import SessionSettings
from sandbox.encrypted_client import ENCRYPTION, EncryptedClient
from tests.messenger_core.matrix.session_scene import running


async def test_row_12_what_came_before_a_removal_during_an_outage_is_handled_after_coming_back(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine):
        body = {"preset": "private_chat", "invite": [settings.user_id], "initial_state": [ENCRYPTION]}
        _, made = await person.call("POST", "/_matrix/client/v3/createRoom", body)
        room = str(made["room_id"])
        await person.wait_until_in(room, settings.user_id)
        await person.send_text(room, "before")
        await person.wait_for(lambda seen: seen.body == "answer to before", "the first answer")
    texts = [f"while away {number}" for number in range(130)]
    for text in texts:
        await person.send_text(room, text)
    for step in ("kick", "invite"):
        status, _ = await person.call("POST", f"/_matrix/client/v3/rooms/{room}/{step}", {"user_id": settings.user_id})
        assert status == 200
    async with running(settings, engine) as service:
        await person.wait_for(lambda seen: seen.body == f"answer to {texts[-1]}", "the last answer")
        assert [event.content["body"] for event in service.handled if "body" in event.content] == texts
