"""Store: our own room keys as they began, and which device got each, so that a key can be given again."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

import vodozemac
from nio.crypto.sessions import derive_pickle_key

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.olm_channel import KnownDevice


class OutboundKeys:
    """Our room keys in the device's store. Nothing is ever encrypted with one that was read from here."""

    def __init__(self, machine: OlmMachine) -> None:
        self._machine = machine
        self._pickle_key = derive_pickle_key(machine.pickle_key)

    def keep(self, room_id: str, session: vodozemac.GroupSession, now: datetime) -> None:
        """Keeps a key before its first message."""
        self._machine.sql(
            "INSERT INTO outbound_key(session_id, room_id, pickle, made_at) VALUES (?, ?, ?, ?)",
            (session.session_id, room_id, session.pickle(self._pickle_key), to_milliseconds(now)),
        )

    def session_key(self, session_id: str, message_index: int) -> str | None:
        """A key as a device gets it that may read from a message on; None if it is not kept any more."""
        rows = self._machine.sql("SELECT pickle FROM outbound_key WHERE session_id = ?", (session_id,))
        if not rows:
            return None
        session = vodozemac.GroupSession.from_pickle(rows[0][0], self._pickle_key)
        while session.message_index < message_index:
            session.encrypt(b"")
        return str(session.session_key.to_base64())

    def note_shared(self, session_id: str, devices: Iterable[KnownDevice], message_index: int) -> None:
        """Notes which devices a key is for, and from which message on."""
        for device in devices:
            self._machine.sql(
                "INSERT OR IGNORE INTO shared_with(session_id, owner, device_id, message_index) VALUES (?, ?, ?, ?)",
                (session_id, device.owner, device.device_id, message_index),
            )

    def shared_from(self, room_id: str, session_id: str, owner: str, device_id: str) -> int | None:
        """From which message on a device may have a key of a room; None if the key is not for it."""
        rows = self._machine.sql(
            "SELECT message_index FROM shared_with JOIN outbound_key USING (session_id)"
            " WHERE session_id = ? AND owner = ? AND device_id = ? AND room_id = ?",
            (session_id, owner, device_id, room_id),
        )
        return int(rows[0][0]) if rows else None

    def forget_before(self, moment: datetime, but: Collection[str]) -> None:
        """Drops the keys made before ``moment`` but those that somebody is still owed."""
        with self._machine.transaction():
            old = self._machine.sql("SELECT session_id FROM outbound_key WHERE made_at < ?", (to_milliseconds(moment),))
            for (session_id,) in old:
                if session_id not in but:
                    self._machine.sql("DELETE FROM outbound_key WHERE session_id = ?", (session_id,))
                    self._machine.sql("DELETE FROM shared_with WHERE session_id = ?", (session_id,))
