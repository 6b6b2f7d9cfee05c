"""Decrypts room events from their raw JSON: whatever a client may legally write is read, nothing else is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import vodozemac

from messenger_core.matrix.encryption.hostile_json import parse_object
from messenger_core.matrix.encryption.olm_channel import MEGOLM
from messenger_core.matrix.encryption.room_keys import RoomKey, RoomKeys, is_session_id


class RoomKeyMissing(Exception):  # noqa: N818 - reads as what happened
    """The room key of an event is not here, or reads only later messages; it may still come."""

    def __init__(self, session_id: str) -> None:
        super().__init__("the room key is missing")
        self.session_id = session_id


class UndecryptableEvent(Exception):  # noqa: N818 - reads as what happened
    """An event that no key makes readable.

    Attributes:
        reason: a short code, never content.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class DecryptedEvent:
    """An event in clear.

    Attributes:
        event: the event as it would have been sent in clear.
        session_id: the room key it was read with.
        message_index: its place in this key's ratchet; a second event at the same place is a replay, which the journal
            recognises.
        sender_key: the identity key of the device that made the room key.
    """

    event: dict[str, Any]
    session_id: str
    message_index: int
    sender_key: str


class MegolmDecryptor:
    """Reads encrypted events of rooms."""

    def __init__(self, keys: RoomKeys) -> None:
        self._keys = keys

    def decrypt_megolm(self, room_id: str, source: Mapping[str, Any]) -> DecryptedEvent:
        """Decrypts one event.

        ``sender_key`` and ``device_id`` beside the ciphertext are not looked at: they are deprecated, may be missing,
        and prove nothing.

        Raises:
            RoomKeyMissing: if its key is not here (yet).
            UndecryptableEvent: if no key would help.
        """
        session_id, ciphertext = _encrypted_content(source)
        # Olm proved whose the key is when it came. In whose device list the curve25519 key of its device stands as well
        # proves nothing: anybody can list it as her own.
        own = [key for key in self._keys.of(room_id, session_id) if key.owner == source.get("sender")]
        if not own:
            # Also if others say that they made this key: whoever got it can send it as her own, and be first.
            raise RoomKeyMissing(session_id)
        # Keys of which the beginning is signed come first, then those that reach back furthest.
        own.sort(key=lambda key: (key.forwarded, key.session.first_known_index))
        key, plaintext, index = _decrypt(own, ciphertext)
        return DecryptedEvent(_in_clear(room_id, source, plaintext), session_id, index, key.sender_key)


def _encrypted_content(source: Mapping[str, Any]) -> tuple[str, str]:
    content = source.get("content")
    if source.get("type") != "m.room.encrypted" or not isinstance(content, dict):
        raise UndecryptableEvent("not_encrypted")
    if content.get("algorithm") != MEGOLM:
        raise UndecryptableEvent("unknown_algorithm")
    if "state_key" in source:
        # What is inside could pretend to be the room's state.
        raise UndecryptableEvent("encrypted_state")
    session_id, ciphertext = content.get("session_id"), content.get("ciphertext")
    if not is_session_id(session_id) or not isinstance(ciphertext, str):
        raise UndecryptableEvent("wrong_types")
    return session_id, ciphertext


def _decrypt(keys: list[RoomKey], ciphertext: str) -> tuple[RoomKey, str, int]:
    try:
        message = vodozemac.MegolmMessage.from_base64(ciphertext)
        if all(message.message_index() < key.session.first_known_index for key in keys):
            raise RoomKeyMissing(keys[0].session_id)
        for key in keys:
            try:
                decrypted = key.session.decrypt(message)
            except vodozemac.MegolmDecryptionException:
                continue
            return key, bytes(decrypted.plaintext).decode(), int(decrypted.message_index)
    except RoomKeyMissing:
        raise
    except ValueError:
        # vodozemac's own exceptions are ValueErrors, and so is broken UTF-8.
        raise UndecryptableEvent("malformed") from None
    raise UndecryptableEvent("undecryptable")


def _in_clear(room_id: str, source: Mapping[str, Any], plaintext: str) -> dict[str, Any]:
    try:
        payload = parse_object(plaintext)
    except ValueError:
        raise UndecryptableEvent("no_json") from None
    kind, content = payload.get("type"), payload.get("content")
    if not isinstance(kind, str) or not isinstance(content, dict):
        raise UndecryptableEvent("wrong_types")
    if payload.get("room_id") != room_id:
        raise UndecryptableEvent("another_room")
    outer = source["content"].get("m.relates_to")
    if isinstance(outer, dict):
        # Relations stand in clear, for the homeserver's sake, and count as they stand there.
        content["m.relates_to"] = outer
    return {**source, "type": kind, "content": content}
