"""matrix-js-sdk with its Rust crypto speaks with the session, in normal mode and with cross-signed devices alone.

Each test runs in both modes. In cross-signed-only mode (MSC4153) the client neither sends keys to, nor reads messages
of, a device that its owner's identity has not signed; ``test_js_sdk_client`` shows that it shuts such ones out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import SessionSettings
from sandbox.headless_sign_in import SignedIn
from sandbox.key_sign_in import key_proof, sign_in_with_key
from tests.bare_homeserver import CLIENT_ID, SERVER_NAME, Homeserver
from tests.clients.js_sdk_client import JsSdkClient, run_js_sdk_client
from tests.messenger_core.matrix.session_scene import Service, running, until

pytestmark = pytest.mark.parametrize("only_signed", [False, True], ids=["normal", "cross_signed_only"])
_FILE = bytes(range(256)) * 1_000


@dataclass(frozen=True)
class Patient:
    """A person who uses the independent client on one device after the other."""

    homeserver: Homeserver
    user_id: str
    only_signed: bool

    @asynccontextmanager
    async def device(self) -> AsyncIterator[JsSdkClient]:
        """A device that has never been used: no keys, no identity."""
        signed_in: SignedIn = await sign_in_with_key(
            self.homeserver.url, user_id=self.user_id, client_id=CLIENT_ID, key=self.homeserver.key
        )
        async with run_js_sdk_client(self.homeserver.url, signed_in, only_signed=self.only_signed) as client:
            yield client

    def proof(self) -> dict[str, object]:
        """What the homeserver wants to see before it replaces an identity."""
        return key_proof(self.homeserver.url, self.user_id, client_id=CLIENT_ID, key=self.homeserver.key)


@pytest.fixture
def patient(homeserver: Homeserver, tmp_path: Path, only_signed: bool) -> Patient:
    """Another person in each test."""
    name = tmp_path.name.replace("_", "-").replace("[", "").replace("]", "").lower()
    return Patient(homeserver, f"@patient-{name}:{SERVER_NAME}", only_signed)


async def ask(client: JsSdkClient, room: str, text: str, service: Service) -> None:
    """The person writes, the service answers; both are encrypted, and each is there once."""
    sent = await client.send_text(room, text)
    answer = await client.wait_for_body(f"answer to {text}")
    received = [event for event in service.handled if event.event_id == sent]
    assert [(event.content["body"], event.encrypted) for event in received] == [(text, True)]
    assert [seen.event_id for seen in client.seen.values() if seen.body == answer.body] == [answer.event_id]


def unreadable(client: JsSdkClient) -> list[str]:
    """Why the client could not read what it could not read."""
    return [seen.failure for seen in client.seen.values() if seen.failure is not None]


async def test_text_and_files_go_both_ways(patient: Patient, settings: SessionSettings, engine: AsyncEngine) -> None:
    async with running(settings, engine) as service, patient.device() as client:
        await client.make_identity()
        room = await client.open_chat(settings.user_id)
        await ask(client, room, "guten Morgen", service)
        await ask(client, room, "und noch etwas: äöü €", service)
        sent = await client.send_file(room, _FILE, "Befund.pdf", "application/pdf")
        copy = await client.wait_for(
            lambda seen: seen.sender == settings.user_id and "file" in seen.content, "the copy of the file"
        )
        assert copy.encrypted
        assert copy.body == "Befund.pdf"
        assert await client.fetch_file(copy) == _FILE
        assert next(event for event in service.handled if event.event_id == sent).encrypted
        assert set((await client.devices(settings.user_id)).values()) == {True}
        assert unreadable(client) == []


async def test_the_session_writes_first(patient: Patient, settings: SessionSettings, engine: AsyncEngine) -> None:
    async with running(settings, engine) as service, patient.device() as client:
        await client.make_identity()
        room = await client.open_chat(settings.user_id)
        sent = await service.session.send(room, {"msgtype": "m.text", "body": "willkommen"}, key="welcome")
        assert sent.unreached == 0
        assert (await client.wait_for_body("willkommen")).event_id == sent.event_id
        assert unreadable(client) == []


async def test_a_fresh_device_of_the_person_reads_and_writes(
    patient: Patient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine) as service, patient.device() as old:
        await old.make_identity()
        room = await old.open_chat(settings.user_id)
        await ask(old, room, "from the first device", service)
        async with patient.device() as fresh:
            await fresh.import_identity(await old.export_identity())
            await fresh.wait_until_together(room, settings.user_id)
            await ask(fresh, room, "from the fresh device", service)
            # Both devices read the answer that came after the fresh one was there.
            await old.wait_for_body("answer to from the fresh device")
            await ask(old, room, "from the first device again", service)
            await fresh.wait_for_body("answer to from the first device again")
            assert unreadable(old) == []


async def test_the_chat_goes_on_after_the_service_started_again(
    patient: Patient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with patient.device() as client:
        async with running(settings, engine) as service:
            await client.make_identity()
            room = await client.open_chat(settings.user_id)
            await ask(client, room, "before the stop", service)
        missed = await client.send_text(room, "while it is away")
        async with running(settings, engine) as service:
            await client.wait_for_body("answer to while it is away")
            await ask(client, room, "after the start", service)
            assert [event.event_id for event in service.handled].count(missed) == 1
            assert len(await client.devices(settings.user_id)) == 1
        assert unreadable(client) == []


async def test_the_chat_goes_on_after_the_person_lost_her_keys(
    patient: Patient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    """A new device, and a new identity in place of the lost one: the person is believed to be the same one."""
    async with running(settings, engine) as service:
        async with patient.device() as client:
            lost = await client.make_identity()
            room = await client.open_chat(settings.user_id)
            await ask(client, room, "before", service)
        away = await service.session.send(room, {"msgtype": "m.text", "body": "nobody reads this"}, key="away")
        async with patient.device() as client:
            assert await client.make_identity(anew=True, auth=patient.proof()) != lost
            await client.wait_until_together(room, settings.user_id)
            await ask(client, room, "after", service)
            await ask(client, room, "after all", service)
            await until(lambda: away.event_id in client.seen)
            # What was sent before the new device was there stays closed to it, and nothing else.
            closed = {seen.event_id for seen in client.seen.values() if seen.failure is not None}
            handled = {event.event_id for event in service.handled if event.content.get("body") == "before"}
            assert handled | {away.event_id} <= closed
            assert len(closed) == 3
