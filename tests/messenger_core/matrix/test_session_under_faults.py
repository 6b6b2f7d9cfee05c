"""The session when something goes wrong: handlers that fail or hang, redactions, being removed from a room."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import ReceivedEvent, SendFailed, SessionSettings, ToSend
from messenger_core.matrix.receiving import room_workers
from sandbox.encrypted_client import ENCRYPTION, EncryptedClient
from tests.messenger_core.matrix.session_scene import Service, running, shared_room, until


async def test_an_outage_that_a_handler_meets_is_waited_out_and_parks_nothing(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine) as service:
        outages: list[Exception] = [SendFailed("the homeserver could not be asked") for _ in range(2)]
        service.faults["first"] = outages
        room = await shared_room(person, settings)
        await person.send_text(room, "first")
        await person.send_text(room, "second")
        await person.wait_for(lambda seen: seen.body == "answer to second", "the second answer")
        assert service.bodies == ["first", "second"]
        assert (await service.session.figures()).journal["parked"] == 0


async def test_row_01_a_failing_handler_loses_nothing_and_holds_up_its_own_room_alone(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine) as service:
        failing: list[Exception] = [RuntimeError("not now") for _ in range(3)]
        service.faults["poison"] = failing
        one, other = await shared_room(person, settings), await shared_room(person, settings)
        await person.send_text(one, "poison")
        await person.send_text(one, "behind the poison")
        await person.send_text(other, "elsewhere")
        await person.wait_for(lambda seen: seen.body == "answer to elsewhere", "the answer in the other room")
        await person.wait_for(lambda seen: seen.body == "answer to behind the poison", "the answer behind it")
        assert service.bodies == ["elsewhere", "poison", "behind the poison"]


async def test_row_20_a_handler_that_never_ends_is_ended(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_workers, "_HANDLER_TIMEOUT_S", 2)
    monkeypatch.setattr(room_workers, "_ATTEMPTS", 1)

    class Hanging(Service):
        async def handle(self, event: ReceivedEvent) -> Sequence[ToSend]:
            if event.content.get("body") == "hang":
                await asyncio.Event().wait()
            return await super().handle(event)

    async with running(settings, engine, Hanging) as service:
        room = await shared_room(person, settings)
        await person.send_text(room, "hang")
        await person.send_text(room, "after")
        await person.wait_for(lambda seen: seen.body == "answer to after", "the answer to what came later")
        assert (await service.session.figures()).parked == {"handler failed": 1}


async def test_what_was_deleted_before_it_was_handled_is_handled_without_its_content(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine):
        room = await shared_room(person, settings)
        await person.send_text(room, "before")
        await person.wait_for(lambda seen: seen.body == "answer to before", "the first answer")
    secret = await person.send_text(room, "a secret")
    status, _ = await person.call("PUT", f"/_matrix/client/v3/rooms/{room}/redact/{secret}/1", {})
    assert status == 200
    await person.send_text(room, "after")
    async with running(settings, engine) as service:
        await person.wait_for(lambda seen: seen.body == "answer to after", "the last answer")
        [deleted] = [event for event in service.handled if event.event_id == secret]
        assert deleted.redacted
        assert deleted.content == {}
        assert any(event.redacts == secret for event in service.handled)


async def test_row_12_being_removed_from_a_room_is_noticed_and_what_came_before_it_is_handled(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine) as service:
        body = {"preset": "private_chat", "invite": [settings.user_id], "initial_state": [ENCRYPTION]}
        _, made = await person.call("POST", "/_matrix/client/v3/createRoom", body)
        room = str(made["room_id"])
        await person.wait_until_in(room, settings.user_id)
        await person.send_text(room, "goodbye")
        status, _ = await person.call("POST", f"/_matrix/client/v3/rooms/{room}/kick", {"user_id": settings.user_id})
        assert status == 200
        await until(lambda: any(_is_removal(event, settings.user_id) for event in service.handled))
        assert "goodbye" in service.bodies
        with pytest.raises(SendFailed) as refusal:
            await service.session.send(room, {"msgtype": "m.text", "body": "too late"}, key="too late")
        assert not refusal.value.outage


def _is_removal(event: ReceivedEvent, user_id: str) -> bool:
    return event.state_key == user_id and event.content.get("membership") == "leave"
