"""Another person's device without a homeserver, and our own device's encryption in a folder."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import vodozemac

from messenger_core.matrix.encryption.device_lists import DeviceLists
from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.megolm_decryption import MegolmDecryptor
from messenger_core.matrix.encryption.olm_channel import MEGOLM, OLM, KnownDevice
from messenger_core.matrix.encryption.room_key_sharing import room_key_content
from messenger_core.matrix.encryption.room_keys import RoomKeys
from messenger_core.matrix.encryption.to_device import ToDeviceIntake, ToDeviceOutcome
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.store.key_requests import KeyRequest
from messenger_core.matrix.store.stale_devices import StaleDevices

STORE_KEY = "a store key of the tests"
USER, DEVICE = "@bot:here.example", "BOT"
ROOM = "!room:here.example"


class OfflineDevice:
    """Our device: its store, and what reads and takes in."""

    def __init__(self, folder: Path) -> None:
        self.machine = OlmMachine.open(USER, DEVICE, folder, STORE_KEY)
        self.keys = RoomKeys(self.machine)
        nobody = cast("HomeserverCalls", None)
        self.devices = DeviceLists(self.machine, nobody, cast("StaleDevices", None), self._answered)
        self.intake = ToDeviceIntake(self.machine, self.keys, self.devices, lambda: datetime.now(UTC))
        self.decryptor = MegolmDecryptor(self.keys)

    @staticmethod
    async def _answered(_: object) -> None:
        """Nobody else listens."""

    def take(self, *sources: object, first: int = 1, asked: Collection[KeyRequest] = ()) -> ToDeviceOutcome:
        """Takes messages in; text is taken as it is."""
        rows = [one if isinstance(one, str) else json.dumps(one) for one in sources]
        return self.intake.take(list(enumerate(rows, first)), asked)

    def one_time_key(self) -> str:
        """A new one-time key, on disk as an upload leaves it."""
        account = self.machine.account
        account.generate_one_time_keys(1)
        (key,) = account.one_time_keys["curve25519"].values()
        account.mark_keys_as_published()
        self.machine.save_account()
        return str(key)

    def know(self, *devices: KnownDevice) -> None:
        """Notes devices as an answer of the homeserver would."""
        for one in devices:
            self.machine.sql("INSERT OR IGNORE INTO tracked_person(owner) VALUES (?)", (one.owner,))
            self.machine.sql(
                "INSERT INTO known_device(owner, device_id, ed25519, curve25519) VALUES (?, ?, ?, ?)",
                (one.owner, one.device_id, one.ed25519, one.curve25519),
            )

    def wedged(self) -> list[tuple[Any, ...]]:
        """The devices that are marked for a new Olm session."""
        return self.machine.sql("SELECT owner, curve25519 FROM wedged_device")


@dataclass
class Peer:
    """Another person's device, which writes to ours."""

    user_id: str
    to: OfflineDevice
    device_id: str = "PEER"

    def __post_init__(self) -> None:
        self.account = vodozemac.Account()
        self.open_session(self.to.one_time_key())

    def open_session(self, one_time_key: str) -> None:
        """A new Olm session to our device."""
        self.session = self.account.create_outbound_session(
            vodozemac.Curve25519PublicKey.from_base64(self.to.machine.curve25519),
            vodozemac.Curve25519PublicKey.from_base64(one_time_key),
        )

    @property
    def curve25519(self) -> str:
        return str(self.account.curve25519_key.to_base64())

    @property
    def known(self) -> KnownDevice:
        """The device as the homeserver lists it."""
        return KnownDevice(self.user_id, self.device_id, self.account.ed25519_key.to_base64(), self.curve25519)

    def letter(self, kind: str, content: object, **otherwise: object) -> dict[str, Any]:
        """What stands inside an Olm message; an object so that a test may break it."""
        return {
            "type": kind,
            "content": content,
            "sender": self.user_id,
            "sender_device": self.device_id,
            "keys": {"ed25519": self.account.ed25519_key.to_base64()},
            "recipient": USER,
            "recipient_keys": {"ed25519": self.to.machine.ed25519},
            **otherwise,
        }

    def seal(self, letter: Mapping[str, Any] | str) -> dict[str, Any]:
        """The to-device message that holds a letter."""
        plaintext = letter if isinstance(letter, str) else json.dumps(letter)
        kind, body = self.session.encrypt(plaintext.encode("utf-8", "surrogatepass")).to_parts()
        return self.envelope(kind, base64.b64encode(body).decode().rstrip("="))

    def envelope(self, kind: object, body: object) -> dict[str, Any]:
        """The outside of an Olm message to our device."""
        ciphertext = {self.to.machine.curve25519: {"type": kind, "body": body}}
        content = {"algorithm": OLM, "sender_key": self.curve25519, "ciphertext": ciphertext}
        return {"type": "m.room.encrypted", "sender": self.user_id, "content": content}

    def room_key(self, session: vodozemac.GroupSession, **otherwise: object) -> dict[str, Any]:
        """The to-device message that gives a room key."""
        content = room_key_content(ROOM, session.session_id, session.session_key.to_base64()) | otherwise
        return self.seal(self.letter("m.room_key", content))

    def event(
        self,
        session: vodozemac.GroupSession,
        plaintext: str | Mapping[str, Any],
        *,
        event_id: str = "$event",
        **otherwise: object,
    ) -> dict[str, Any]:
        """An encrypted room event."""
        if not isinstance(plaintext, str):
            plaintext = json.dumps({"room_id": ROOM, **plaintext})
        content = {
            "algorithm": MEGOLM,
            "session_id": session.session_id,
            "ciphertext": session.encrypt(plaintext.encode("utf-8", "surrogatepass")).to_base64(),
            **otherwise,
        }
        return {
            "type": "m.room.encrypted",
            "event_id": event_id,
            "sender": self.user_id,
            "content": content,
            "origin_server_ts": 1,
        }


def text(body: str) -> dict[str, Any]:
    """A message in clear."""
    return {"type": "m.room.message", "content": {"msgtype": "m.text", "body": body}}
