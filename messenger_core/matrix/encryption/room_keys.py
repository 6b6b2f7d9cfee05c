"""Store: the room keys (inbound Megolm sessions) that devices gave us, and our own."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeGuard

import vodozemac
from nio.crypto.sessions import derive_pickle_key

from messenger_core.matrix.encryption.machine import OlmMachine

_REMEMBERED = 2000
_LONGEST_ID = 255


def is_session_id(value: object) -> TypeGuard[str]:
    """Whether something may be the id of a room key; an honest one is base64, and no database takes every text."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and 0 < len(value) <= _LONGEST_ID


@dataclass(frozen=True, slots=True)
class RoomKey:
    """One room key.

    Attributes:
        sender_key: the curve25519 key of the device that made it, proven by Olm.
        ed25519: the signing key that this device claimed.
        owner: the user who sent it, as the homeserver says.
        forwarded: whether it came as the answer to a request; its beginning is then only claimed.
    """

    room_id: str
    sender_key: str
    ed25519: str
    owner: str
    forwarded: bool
    session: vodozemac.InboundGroupSession

    @property
    def session_id(self) -> str:
        """The key's id."""
        return str(self.session.session_id)


class RoomKeys:
    """The room keys in the device's store; a few of them also in memory."""

    def __init__(self, machine: OlmMachine) -> None:
        self._machine = machine
        self._pickle_key = derive_pickle_key(machine.pickle_key)
        self._recent: OrderedDict[tuple[str, str], list[RoomKey]] = OrderedDict()
        machine.also_forget.append(self._recent.clear)

    def of(self, room_id: str, session_id: str) -> list[RoomKey]:
        """The keys with this id in this room: one, or more if several devices claim to have made it."""
        place = (room_id, session_id)
        known = self._recent.get(place)
        if known is None:
            rows = self._machine.sql(
                "SELECT sender_key, ed25519, owner, forwarded, pickle FROM room_key"
                " WHERE session_id = ? AND room_id = ?",
                (session_id, room_id),
            )
            known = [
                RoomKey(
                    room_id,
                    sender_key,
                    ed25519,
                    owner,
                    bool(forwarded),
                    vodozemac.InboundGroupSession.from_pickle(pickle, self._pickle_key),
                )
                for sender_key, ed25519, owner, forwarded, pickle in rows
            ]
            if known:
                self._recent[place] = known
                if len(self._recent) > _REMEMBERED:
                    self._recent.popitem(last=False)
        else:
            self._recent.move_to_end(place)
        return known

    def add(self, key: RoomKey) -> bool:
        """Keeps a key unless a better one (that reads from an earlier message on) is there; whether it is new."""
        first_index = int(key.session.first_known_index)
        for known in self.of(key.room_id, key.session_id):
            if known.sender_key == key.sender_key and known.session.first_known_index <= first_index:
                return False
        self._machine.sql(
            "INSERT OR REPLACE INTO room_key(room_id, session_id, sender_key, ed25519, owner, forwarded, pickle)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                key.room_id,
                key.session_id,
                key.sender_key,
                key.ed25519,
                key.owner,
                int(key.forwarded),
                key.session.pickle(self._pickle_key),
            ),
        )
        self._recent.pop((key.room_id, key.session_id), None)
        return True
