"""Feeds to-device messages to the encryption, each exactly once, whatever they hold and whenever the process dies."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import peewee
import vodozemac

from messenger_core.matrix.encryption.device_lists import DeviceLists
from messenger_core.matrix.encryption.hostile_json import parse_object
from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.olm_channel import MEGOLM, OlmMessageRefused, OlmPlaintext, decrypt_olm
from messenger_core.matrix.encryption.room_keys import RoomKey, RoomKeys
from messenger_core.matrix.encryption.unwedging import mark_wedged
from messenger_core.matrix.store.key_requests import KeyRequest

logger = logging.getLogger(__name__)

# The keys that a stranger may have us look at; each is a few dozen bytes in an honest message.
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class IncomingKeyRequest:
    """A device asks for a room key."""

    sender: str
    device_id: str
    room_id: str
    session_id: str


@dataclass(slots=True)
class ToDeviceOutcome:
    """What a batch of to-device messages brought.

    Attributes:
        learned: room id and session id of the room keys that are new or better.
        heard_from: people whose device opened an Olm session or used one.
        wishes: room keys that devices ask us for.
        refused: how many messages could not be used, by reason.
    """

    learned: set[tuple[str, str]] = field(default_factory=set)
    heard_from: set[str] = field(default_factory=set)
    wishes: set[IncomingKeyRequest] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)


class ToDeviceIntake:
    """Takes batches of to-device messages in, in the order in which the homeserver sent them."""

    def __init__(
        self, machine: OlmMachine, keys: RoomKeys, devices: DeviceLists, clock: Callable[[], datetime]
    ) -> None:
        self._machine = machine
        self._keys = keys
        self._devices = devices
        self._clock = clock

    def take(self, rows: Sequence[tuple[int, str]], asked: Collection[KeyRequest]) -> ToDeviceOutcome:
        """Takes one batch in: what it changed is on disk afterwards, all of it, or nothing.

        Args:
            rows: number and JSON of each message.
            asked: the room keys that devices were asked for; no other forwarded key is accepted.

        Raises:
            StoreUnwritable: if the disk did not take it; the same rows can be given again.
        """
        taken = ToDeviceOutcome()
        marks = [(number, hashlib.sha256(source.encode()).hexdigest()) for number, source in rows]
        with self._machine.transaction():
            # A kill after this transaction leaves the rows to be given again; an Olm message opens only once, though,
            # and a second look at it would read as a broken session.
            before = set(self._machine.sql("SELECT row_id, digest FROM taken_in"))
            self._machine.sql("DELETE FROM taken_in")
            for mark, (_, source) in zip(marks, rows, strict=True):
                self._machine.sql("INSERT OR IGNORE INTO taken_in(row_id, digest) VALUES (?, ?)", mark)
                if mark not in before:
                    self._take_one(source, asked, taken)
        for reason, count in taken.refused.items():
            logger.warning("%d to-device messages were not used: %s", count, reason)
        return taken

    def _take_one(self, source: str, asked: Collection[KeyRequest], taken: ToDeviceOutcome) -> None:
        """One message; a fault in it undoes what it did to the sessions and is counted."""
        try:
            message = parse_object(source)
        except ValueError:
            taken.refused["no_json"] += 1
            return
        try:
            with self._machine.transaction():
                self._read(message, asked, taken)
        except (peewee.PeeweeException, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as fault:  # noqa: BLE001 - a panic of vodozemac is no Exception, and must not stop us either
            taken.refused[type(fault).__name__] += 1

    def _read(self, message: Mapping[str, Any], asked: Collection[KeyRequest], taken: ToDeviceOutcome) -> None:
        sender, kind, content = message.get("sender"), message.get("type"), message.get("content")
        if not isinstance(sender, str) or not isinstance(content, dict):
            taken.refused["wrong_types"] += 1
        elif kind == "m.room.encrypted":
            self._open(sender, content, asked, taken)
        elif kind == "m.room_key_request":
            wish = _read_wish(sender, content)
            if wish is not None:
                taken.wishes.add(wish)

    def _open(
        self, sender: str, content: Mapping[str, Any], asked: Collection[KeyRequest], taken: ToDeviceOutcome
    ) -> None:
        try:
            letter = decrypt_olm(self._machine, sender, content)
        except OlmMessageRefused as refusal:
            # Its session may have moved on; that is kept.
            taken.refused[refusal.reason] += 1
            if refusal.wedged:
                mark_wedged(self._machine, sender, refusal.sender_key, self._clock())
            return
        taken.heard_from.add(sender)
        # Anybody may list this curve25519 key as her own; only what its owner, whom Olm proves, lists counts.
        if any(
            device.owner == sender and device.ed25519 != letter.ed25519
            for device in self._devices.with_key(letter.sender_key)
        ):
            taken.refused["other_signing_key"] += 1
        elif letter.type == "m.room_key":
            self._keep(_read_room_key(letter), taken)
        elif letter.type == "m.forwarded_room_key":
            self._keep(self._read_forwarded_key(letter, asked), taken)

    def _keep(self, key: RoomKey | None, taken: ToDeviceOutcome) -> None:
        if key is None:
            taken.refused["unusable_room_key"] += 1
        elif self._keys.add(key):
            taken.learned.add((key.room_id, key.session_id))

    def _read_forwarded_key(self, letter: OlmPlaintext, asked: Collection[KeyRequest]) -> RoomKey | None:
        """A key that we asked exactly this device for, and that this device made itself; anything else is None.

        An exported key is not signed: only its own device can be believed.
        """
        content = letter.content
        room_id, session_id, exported = (content.get(name) for name in ("room_id", "session_id", "session_key"))
        if not isinstance(exported, str) or content.get("sender_key") != letter.sender_key:
            return None
        sending = [device for device in self._devices.with_key(letter.sender_key) if device.owner == letter.sender]
        wanted = any(
            (request.room_id, request.session_id, request.recipient) == (room_id, session_id, letter.sender)
            and any(request.device_id in {"*", device.device_id} for device in sending)
            for request in asked
        )
        if not wanted or content.get("algorithm") != MEGOLM:
            return None
        try:
            session = vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(exported))
        except ValueError:
            return None
        if session.session_id != session_id:
            return None
        return RoomKey(str(room_id), letter.sender_key, letter.ed25519, letter.sender, forwarded=True, session=session)


def _read_room_key(letter: OlmPlaintext) -> RoomKey | None:
    content = letter.content
    room_id, session_id, session_key = (content.get(name) for name in ("room_id", "session_id", "session_key"))
    if content.get("algorithm") != MEGOLM or not isinstance(session_key, str):
        return None
    if not isinstance(room_id, str) or not 0 < len(room_id) <= _LONGEST_NAME:
        return None
    try:
        session = vodozemac.InboundGroupSession(vodozemac.SessionKey(session_key))
    except ValueError:
        return None
    if session.session_id != session_id:
        return None
    return RoomKey(room_id, letter.sender_key, letter.ed25519, letter.sender, forwarded=False, session=session)


def _read_wish(sender: str, content: Mapping[str, Any]) -> IncomingKeyRequest | None:
    body = content.get("body")
    if content.get("action") != "request" or not isinstance(body, dict) or body.get("algorithm") != MEGOLM:
        return None
    names = (content.get("requesting_device_id"), body.get("room_id"), body.get("session_id"))
    if not all(isinstance(name, str) and len(name) <= _LONGEST_NAME for name in names):
        return None
    device_id, room_id, session_id = map(str, names)
    return IncomingKeyRequest(sender, device_id, room_id, session_id)
