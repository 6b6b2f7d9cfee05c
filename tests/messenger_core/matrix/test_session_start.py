"""The session starts, stops, starts again after its own and the homeserver's absence, or says why it cannot."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import MatrixSession, SessionSettings
from messenger_core.settings import SettingsError
from sandbox.encrypted_client import EncryptedClient, run_client
from sandbox.key_sign_in import sign_in_with_key
from tests.bare_homeserver import Homeserver
from tests.messenger_core.matrix.session_scene import answers_what_came_while_away, running, shared_room


async def test_what_came_while_the_service_was_away_is_handled_once_and_in_order(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    await answers_what_came_while_away(person, settings, engine)


async def test_a_message_whose_handling_fails_is_parked_and_tried_again_at_the_next_start(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine) as service:
        # More often than it is tried.
        service.faults["poison"] = [RuntimeError("not now") for _ in range(100)]
        room = await shared_room(person, settings)
        await person.send_text(room, "poison")
        await person.send_text(room, "after")
        await person.wait_for(lambda seen: seen.body == "answer to after", "the answer to what came later")
        assert (await service.session.figures()).parked == {"handler failed": 1}
        assert not any(seen.body == "answer to poison" for seen in person.seen)
    async with running(settings, engine) as mended:
        await person.wait_for(lambda seen: seen.body == "answer to poison", "the answer after the fault was mended")
        assert mended.bodies == ["poison"]


async def test_a_restart_of_the_homeserver_is_waited_out(
    homeserver: Homeserver, person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine, tmp_path: Path
) -> None:
    async with running(settings, engine) as service:
        room = await shared_room(person, settings)
        await person.send_text(room, "before")
        await person.wait_for(lambda seen: seen.body == "answer to before", "the first answer")
        await person.close()
        await asyncio.to_thread(homeserver.stop)
        away = asyncio.create_task(
            service.session.send(room, {"msgtype": "m.text", "body": "nobody was there"}, key="away")
        )
        await asyncio.sleep(1)
        assert not away.done()
        await asyncio.to_thread(homeserver.start)
        async with run_client(homeserver.url, person.signed_in, tmp_path / "person") as again:
            await again.wait_until_in(room, settings.user_id)
            await again.send_text(room, "after")
            await again.wait_for(lambda seen: seen.body == "answer to after", "the answer after the restart")
            assert (await away).unreached == 0
            await again.wait_for(lambda seen: seen.body == "nobody was there", "what was sent during the outage")


async def test_an_ended_token_leads_to_a_new_sign_in(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine, homeserver: Homeserver
) -> None:
    async with running(settings, engine):
        room = await shared_room(person, settings)
        device_id = (settings.store_directory / "device_id").read_text()
        # Signing in again on the same device ends the session's token.
        await sign_in_with_key(
            homeserver.url, user_id=settings.user_id, client_id="tester", key=homeserver.key, device_id=device_id
        )
        await person.send_text(room, "are you there?")
        await person.wait_for(lambda seen: seen.body == "answer to are you there?", "the answer with a new token")


async def test_a_second_process_on_the_same_store_stops_with_a_clear_message(
    settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with MatrixSession(settings, engine):
        with pytest.raises(SettingsError, match="another process"):
            async with MatrixSession(settings, engine):
                pass


async def test_an_account_that_the_homeserver_refuses_is_told(settings: SessionSettings, engine: AsyncEngine) -> None:
    wrong = settings.model_copy(update={"client_id": "stranger"})
    with pytest.raises(SettingsError, match="refuses to sign in"):
        async with MatrixSession(wrong, engine):
            pass


async def test_the_store_is_the_services_alone(settings: SessionSettings, engine: AsyncEngine) -> None:
    async with MatrixSession(settings, engine):
        assert settings.store_directory.stat().st_mode & 0o077 == 0
