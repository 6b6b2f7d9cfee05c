"""A ciphertext that comes again as another event is recognised: in one process, after a restart, and beside copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import vodozemac
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix.encryption.device import Device
from messenger_core.matrix.encryption.megolm_decryption import DecryptedEvent, RoomKeyMissing, UndecryptableEvent
from messenger_core.matrix.receiving.reader import Reader
from messenger_core.matrix.signatures.sender_trust import DeviceTrust
from messenger_core.matrix.store.intake import Intake
from messenger_core.matrix.store.journal import Journal, JournalRow
from messenger_core.matrix.store.media_ledger import MediaLedger
from messenger_core.matrix.store.outbox import Outbox
from messenger_core.matrix.sync_answer import RoomEvent, SyncAnswer
from tests.messenger_core.matrix.olm_peer import DEVICE, ROOM, USER, OfflineDevice, Peer, text

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class _OnlyReads:
    """What the reader needs of a device, without a homeserver."""

    def __init__(self, ours: OfflineDevice) -> None:
        self._ours = ours

    def decrypt_megolm(self, room_id: str, source: Mapping[str, Any]) -> DecryptedEvent:
        return self._ours.decryptor.decrypt_megolm(room_id, source)

    async def trust_of(self, _sender: str, _sender_key: str) -> DeviceTrust:
        return DeviceTrust.UNKNOWN


class Inbox:
    """The journal of one account, and its reader."""

    def __init__(self, engine: AsyncEngine, ours: OfflineDevice) -> None:
        self.outbox = Outbox(engine, USER)
        self.intake = Intake(engine, USER, self.outbox)
        self.journal = Journal(engine, USER)
        self.reader = Reader(self.journal, cast("Device", _OnlyReads(ours)), MediaLedger(engine))

    async def take_in(self, *events: dict[str, Any]) -> list[JournalRow]:
        """Takes events in; what is to be handled."""
        found = [RoomEvent.from_source(ROOM, event) for event in events]
        answer = SyncAnswer(next_batch="s1", events=tuple(event for event in found if event is not None))
        await self.intake.take_in(answer, since="s0", device_id=DEVICE, now=NOW)
        return await self.journal.next(ROOM, 10)

    async def body(self, row: JournalRow) -> str:
        return str((await self.reader.read(row)).event.content["body"])

    async def handled(self, row: JournalRow, *, fails: bool = False) -> None:
        """The event is read and its handler has answered, or failed too often."""
        place = (await self.reader.read(row)).megolm_place
        if fails:
            await self.journal.park(row, "handler failed", place)
        else:
            await self.journal.settle(row, (), outbox=self.outbox, megolm_place=place, now=NOW)

    async def why_not(self, row: JournalRow) -> str:
        with pytest.raises(UndecryptableEvent) as refusal:
            await self.reader.read(row)
        return refusal.value.reason


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[OfflineDevice]:
    device = OfflineDevice(tmp_path / "store")
    yield device
    device.machine.close()


@pytest.fixture
def peer(ours: OfflineDevice) -> Peer:
    return Peer("@peer:here.example", ours)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("restart", [False, True])
async def test_row_19_a_replayed_ciphertext_is_recognised_and_a_second_look_is_not(
    engine: AsyncEngine, ours: OfflineDevice, peer: Peer, tmp_path: Path, *, fails: bool, restart: bool
) -> None:
    session = vodozemac.GroupSession()
    ours.take(peer.room_key(session))
    inbox = Inbox(engine, ours)
    event = peer.event(session, text("pay 100"))
    [first] = await inbox.take_in(event)
    assert await inbox.body(first) == "pay 100"
    await inbox.handled(first, fails=fails)
    assert await inbox.body(first) == "pay 100"
    if restart:
        ours.machine.close()
        ours = OfflineDevice(tmp_path / "store")
        inbox = Inbox(engine, ours)
    replay, second = await inbox.take_in(
        {**event, "event_id": "$replay"}, peer.event(session, text("pay 200"), event_id="$second")
    )
    assert await inbox.why_not(replay) == "replayed"
    assert await inbox.body(second) == "pay 200"
    if restart:
        ours.machine.close()


async def test_row_19_a_copy_under_another_name_takes_nobodys_place(
    engine: AsyncEngine, ours: OfflineDevice, peer: Peer
) -> None:
    """A member who has the key can send it and the ciphertext as her own, before the author's key comes."""
    inbox, session = Inbox(engine, ours), vodozemac.GroupSession()
    authors_key = peer.room_key(session)
    thief = Peer("@thief:here.example", ours, "THIEF")
    ours.take(thief.room_key(session))
    event = peer.event(session, text("of the peer"))
    waiting, copy = await inbox.take_in(event, {**event, "event_id": "$copy", "sender": thief.user_id})
    with pytest.raises(RoomKeyMissing):
        await inbox.reader.read(waiting)
    await inbox.handled(copy)
    ours.take(authors_key, first=2)
    assert await inbox.body(waiting) == "of the peer"
