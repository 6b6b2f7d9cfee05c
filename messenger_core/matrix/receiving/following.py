"""What goes on with an answer of the homeserver once it is written down."""

from __future__ import annotations

from messenger_core.matrix.acknowledgements import Acknowledgements
from messenger_core.matrix.caretaker import Caretaker
from messenger_core.matrix.encryption.device import Device
from messenger_core.matrix.receiving.room_workers import RoomWorkers
from messenger_core.matrix.store.intake import OwnEvents
from messenger_core.matrix.store.journal import Journal
from messenger_core.matrix.sync_answer import SyncAnswer


class OwnEventsNotice:
    """Takes note of what was sent in the account's name."""

    def __init__(self, device: Device, acknowledgements: Acknowledgements) -> None:
        self._device = device
        self._acknowledgements = acknowledgements

    def __call__(self, own: OwnEvents) -> None:
        """Tells those who wait for a message to be taken, and notices a copy of this very device."""
        self._acknowledgements.ended(own.acknowledged)
        if own.foreign:
            self._device.note_foreign_own_event()


class Following:
    """Takes keys in first, then lets the rooms go on."""

    def __init__(self, device: Device, journal: Journal, workers: RoomWorkers, caretaker: Caretaker) -> None:
        self._device = device
        self._journal = journal
        self._workers = workers
        self._caretaker = caretaker

    async def taken_in(self, answer: SyncAnswer) -> None:
        """Called after each answer, before the next one is asked for.

        Raises:
            SettingsError: if somebody uses a copy of the device; nothing is sent any more with its keys.
            StoreUnwritable: if the disk did not take the keys.
        """
        await self._device.check_alone()
        for room_id in answer.rooms_with_new_readers:
            self._device.membership_changed(room_id)
        self._caretaker.noted(answer)
        try:
            learned = (await self._device.take_in()).learned
            if learned:
                self._workers.wake(await self._journal.release({session_id for _, session_id in learned}))
        finally:
            # What needs no new key goes on even if the keys could not be taken in.
            self._workers.wake(answer.rooms)
