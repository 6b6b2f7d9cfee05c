"""Makes of a journalled event what the handler gets: read with its room key, emptied if it was deleted."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from messenger_core.matrix.encryption.device import Device
from messenger_core.matrix.encryption.megolm_decryption import UndecryptableEvent
from messenger_core.matrix.events import ReceivedEvent
from messenger_core.matrix.media.file_content import media_addresses
from messenger_core.matrix.signatures.sender_trust import DeviceTrust
from messenger_core.matrix.store.journal import Journal, JournalRow
from messenger_core.matrix.store.media_ledger import MediaLedger


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """An event in clear.

    Attributes:
        megolm_place: the room key and the index that it was read with, and its sender; None if it was not encrypted.
    """

    event: ReceivedEvent
    megolm_place: str | None


class Reader:
    """Reads events, and notes what they say about files and other events before anybody handles them."""

    def __init__(self, journal: Journal, device: Device, ledger: MediaLedger) -> None:
        self._journal = journal
        self._device = device
        self._ledger = ledger

    async def read(self, row: JournalRow) -> ReadEvent:
        """Reads an event.

        Raises:
            RoomKeyMissing: if its room key has not come yet.
            UndecryptableEvent: if it can never be read.
            SendFailed: if the homeserver could not be asked for the sender's devices.
        """
        source = _parsed(row)
        encrypted = source.get("type") == "m.room.encrypted" and "state_key" not in source
        place, trust = None, DeviceTrust.UNKNOWN
        known = await self._journal.relations(row.room_id, row.event_id, str(source.get("sender")))
        if encrypted and not known.redacted:
            readable = self._device.decrypt_megolm(row.room_id, source)
            # With the sender: whoever sends a copy, and the key as her own, takes nobody else's place.
            place = f"{readable.session_id}:{readable.message_index}:{source.get('sender')}"
            if await self._journal.was_read_elsewhere(row, place):
                raise UndecryptableEvent("replayed")
            source = readable.event
            trust = await self._device.trust_of(str(source.get("sender")), readable.sender_key)
        event = ReceivedEvent.from_source(row.room_id, source, encrypted=encrypted)
        if known.redacted:
            return ReadEvent(dataclasses.replace(event, content={}, redacted=True), None)
        await self._note(event)
        return ReadEvent(dataclasses.replace(event, replaced_by=known.replaced_by, sender_trust=trust), place)

    async def _note(self, event: ReceivedEvent) -> None:
        for mxc in media_addresses(event.content):
            await self._ledger.record(mxc, event.room_id, event.sent_at)
        if event.encrypted and event.replaces is not None:
            await self._journal.relate(
                event.event_id,
                event.room_id,
                replaces=event.replaces,
                sender=event.sender,
                received_at=event.sent_at,
            )


def _parsed(row: JournalRow) -> dict[str, Any]:
    try:
        source: dict[str, Any] = json.loads(row.source)
    except (ValueError, RecursionError):
        raise UndecryptableEvent("malformed") from None
    if "event_id" not in source:
        # Set aside by a release that kept nothing but its id.
        raise UndecryptableEvent("not kept")
    return source
