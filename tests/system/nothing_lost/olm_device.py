"""What one device knows of Olm and Megolm: its own keys, its sessions with other devices, and every room key."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import vodozemac
from unpaddedbase64 import decode_base64, encode_base64

MEGOLM = "m.megolm.v1.aes-sha2"
_OLM = "m.olm.v1.curve25519-aes-sha2"


class OlmDevice:
    """The cryptography of a client, without any request. It is kept in memory only."""

    def __init__(self, user_id: str, device_id: str) -> None:
        self.user_id = user_id
        self.device_id = device_id
        self._account = vodozemac.Account()
        self._curve25519 = self._account.curve25519_key.to_base64()
        self._ed25519 = self._account.ed25519_key.to_base64()
        self._sessions: defaultdict[str, list[vodozemac.Session]] = defaultdict(list)
        """By the other device's curve25519 key, the newest last."""
        self._room_keys: dict[tuple[str, str], vodozemac.InboundGroupSession] = {}

    # -- own keys -----------------------------------------------------------------------------------------------------

    def published(self) -> dict[str, Any]:
        """The device's signed keys, as ``/keys/upload`` takes them."""
        return self._signed(
            {
                "user_id": self.user_id,
                "device_id": self.device_id,
                "algorithms": [_OLM, MEGOLM],
                "keys": {
                    f"curve25519:{self.device_id}": self._curve25519,
                    f"ed25519:{self.device_id}": self._ed25519,
                },
            }
        )

    def new_one_time_keys(self, count: int) -> dict[str, Any]:
        """So many new signed one-time keys."""
        self._account.generate_one_time_keys(count)
        keys = {
            f"signed_curve25519:{name}": self._signed({"key": key.to_base64()})
            for name, key in self._account.one_time_keys.items()
        }
        self._account.mark_keys_as_published()
        return keys

    def _signed(self, content: dict[str, Any]) -> dict[str, Any]:
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        signature = self._account.sign(canonical.encode()).to_base64()
        return content | {"signatures": {self.user_id: {f"ed25519:{self.device_id}": signature}}}

    # -- other devices ------------------------------------------------------------------------------------------------

    def knows(self, keys: Mapping[str, Any]) -> bool:
        """Whether there is a session with a device, given its published keys."""
        return bool(self._sessions.get(_identity_key(keys)))

    def begin_with(self, keys: Mapping[str, Any], one_time_key: str) -> None:
        """Makes a session with a device from one of its one-time keys."""
        identity = _identity_key(keys)
        session = self._account.create_outbound_session(
            vodozemac.Curve25519PublicKey.from_base64(identity), vodozemac.Curve25519PublicKey.from_base64(one_time_key)
        )
        self._sessions[identity].append(session)

    def seal(self, keys: Mapping[str, Any], event_type: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """A to-device message for one device, encrypted with the newest session."""
        identity = _identity_key(keys)
        plaintext = {
            "type": event_type,
            "content": content,
            "sender": self.user_id,
            "sender_device": self.device_id,
            "keys": {"ed25519": self._ed25519},
            "recipient": keys["user_id"],
            "recipient_keys": {"ed25519": keys["keys"][f"ed25519:{keys['device_id']}"]},
        }
        kind, ciphertext = self._sessions[identity][-1].encrypt(json.dumps(plaintext).encode()).to_parts()
        return {
            "algorithm": _OLM,
            "sender_key": self._curve25519,
            "ciphertext": {identity: {"type": kind, "body": encode_base64(ciphertext)}},
        }

    def take_in(self, message: Mapping[str, Any]) -> None:
        """Reads a to-device message and keeps the room key in it; what is not for this device is passed over.

        A message that comes a second time cannot be read again: a killed homeserver may deliver one twice.
        """
        content = message.get("content", {})
        mine = content.get("ciphertext", {}).get(self._curve25519) if content.get("algorithm") == _OLM else None
        if mine is None:
            return
        plaintext = self._open(content["sender_key"], mine)
        if plaintext is None:
            return
        inside = json.loads(plaintext)
        if inside["type"] == "m.room_key":
            self.keep(inside["content"]["room_id"], vodozemac.SessionKey(inside["content"]["session_key"]))

    def _open(self, sender_key: str, ciphertext: Mapping[str, Any]) -> bytes | None:
        sessions = self._sessions[sender_key]
        message = vodozemac.AnyOlmMessage.from_parts(ciphertext["type"], decode_base64(ciphertext["body"]))
        for session in reversed(sessions):
            try:
                plaintext: bytes = session.decrypt(message)
            except vodozemac.OlmDecryptionException:
                continue
            # The session that spoke last is the one to answer with.
            sessions.remove(session)
            sessions.append(session)
            return plaintext
        first = message.to_pre_key()
        if first is None:
            return None
        try:
            session, plaintext = self._account.create_inbound_session(
                vodozemac.Curve25519PublicKey.from_base64(sender_key), first
            )
        except vodozemac.SessionCreationException:
            return None
        sessions.append(session)
        return plaintext

    # -- rooms --------------------------------------------------------------------------------------------------------

    def keep(self, room_id: str, key: vodozemac.SessionKey) -> None:
        """Keeps a room key; of two for the same session the one that reads further back."""
        new = vodozemac.InboundGroupSession(key)
        known = self._room_keys.get((room_id, new.session_id))
        if known is None or new.first_known_index < known.first_known_index:
            self._room_keys[room_id, new.session_id] = new

    def envelope(self, session: vodozemac.GroupSession, plaintext: Mapping[str, Any]) -> dict[str, Any]:
        """The content of an ``m.room.encrypted`` event."""
        return {
            "algorithm": MEGOLM,
            "sender_key": self._curve25519,
            "device_id": self.device_id,
            "session_id": session.session_id,
            "ciphertext": session.encrypt(json.dumps(plaintext).encode()).to_base64(),
        }

    def read(self, room_id: str, source: Mapping[str, Any]) -> dict[str, Any] | None:
        """The content inside an ``m.room.encrypted`` event; None without its key."""
        content = source["content"]
        session = self._room_keys.get((room_id, content.get("session_id", "")))
        if session is None:
            return None
        try:
            decrypted = session.decrypt(vodozemac.MegolmMessage.from_base64(content["ciphertext"]))
        except vodozemac.MegolmDecryptionException:
            return None
        inside: dict[str, Any] = json.loads(decrypted.plaintext)
        assert inside["room_id"] == room_id
        return dict(inside["content"])


def _identity_key(keys: Mapping[str, Any]) -> str:
    return str(keys["keys"][f"curve25519:{keys['device_id']}"])
