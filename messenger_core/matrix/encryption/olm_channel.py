"""Opens and closes Olm envelopes: what one device tells another one alone."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import vodozemac
from nio.crypto import Session

from messenger_core.matrix.encryption.hostile_json import parse_object
from messenger_core.matrix.encryption.machine import OlmMachine

OLM = "m.olm.v1.curve25519-aes-sha2"
MEGOLM = "m.megolm.v1.aes-sha2"


class OlmMessageRefused(Exception):  # noqa: N818 - reads as what happened
    """An envelope that cannot be opened, or says what it must not.

    Attributes:
        reason: a short code, never content.
        sender_key: the identity key that it claims to come from.
        wedged: whether a new Olm session with this device would help.
    """

    def __init__(self, reason: str, *, sender_key: str = "", wedged: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sender_key = sender_key
        self.wedged = wedged


@dataclass(frozen=True, slots=True)
class OlmPlaintext:
    """What an envelope held.

    Attributes:
        sender: who sent it, as the homeserver and the letter itself say.
        sender_key: the curve25519 key of the sending device, proven by Olm.
        ed25519: the signing key that the letter claims for this device.
    """

    sender: str
    sender_key: str
    ed25519: str
    type: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device as its owner's homeserver lists it, signed by itself."""

    owner: str
    device_id: str
    ed25519: str
    curve25519: str


def decrypt_olm(machine: OlmMachine, sender: str, content: Mapping[str, Any]) -> OlmPlaintext:
    """Decrypts an ``m.room.encrypted`` to-device message and checks who it is from and to.

    The session that it moved on, and the account whose one-time key it used up, are written; call it in a transaction.

    Raises:
        OlmMessageRefused: if it cannot be opened or is not for us.
    """
    sender_key, kind, body = _own_ciphertext(machine, content)
    plaintext = _decrypt(machine, sender_key, kind, body)
    try:
        payload = parse_object(plaintext)
    except ValueError:
        raise OlmMessageRefused("no_json", sender_key=sender_key) from None
    keys, recipient_keys = payload.get("keys"), payload.get("recipient_keys")
    ed25519 = keys.get("ed25519") if isinstance(keys, dict) else None
    recipient_key = recipient_keys.get("ed25519") if isinstance(recipient_keys, dict) else None
    kind_inside, content_inside = payload.get("type"), payload.get("content")
    if payload.get("sender") != sender or payload.get("recipient") != machine.user_id:
        raise OlmMessageRefused("wrong_people", sender_key=sender_key)
    if recipient_key != machine.ed25519 or not isinstance(ed25519, str):
        raise OlmMessageRefused("wrong_keys", sender_key=sender_key)
    if not isinstance(kind_inside, str) or not isinstance(content_inside, dict):
        raise OlmMessageRefused("wrong_types", sender_key=sender_key)
    return OlmPlaintext(sender, sender_key, ed25519, kind_inside, content_inside)


def _own_ciphertext(machine: OlmMachine, content: Mapping[str, Any]) -> tuple[str, int, str]:
    """Sender key, kind (0 opens a session, 1 goes on with one) and body of what is meant for this device."""
    sender_key, ciphertext = content.get("sender_key"), content.get("ciphertext")
    if content.get("algorithm") != OLM or not isinstance(sender_key, str) or not isinstance(ciphertext, dict):
        raise OlmMessageRefused("no_olm_message")
    own = ciphertext.get(machine.curve25519)
    if not isinstance(own, dict):
        raise OlmMessageRefused("not_for_this_device")
    kind, body = own.get("type"), own.get("body")
    if type(kind) is not int or kind not in {0, 1} or not isinstance(body, str):
        raise OlmMessageRefused("wrong_types")
    try:
        vodozemac.Curve25519PublicKey.from_base64(sender_key)
    except ValueError:
        raise OlmMessageRefused("no_sender_key") from None
    return sender_key, kind, body


def _decrypt(machine: OlmMachine, sender_key: str, kind: int, body: str) -> str:
    try:
        if kind == 1:
            return _with_known_session(machine, sender_key, vodozemac.AnyOlmMessage.normal(_unpadded(body)))
        opening = vodozemac.PreKeyMessage.from_base64(body)
        for session in machine.olm_sessions(sender_key):
            if session.matches(opening):
                return _with_session(machine, sender_key, session, opening.to_any())
        return _with_new_session(machine, sender_key, opening)
    except (vodozemac.DecodeException, vodozemac.KeyException, UnicodeError, binascii.Error):
        raise OlmMessageRefused("malformed", sender_key=sender_key) from None
    except (vodozemac.OlmDecryptionException, vodozemac.SessionCreationException):
        raise OlmMessageRefused("undecryptable", sender_key=sender_key, wedged=True) from None


def _with_known_session(machine: OlmMachine, sender_key: str, message: vodozemac.AnyOlmMessage) -> str:
    for session in list(machine.olm_sessions(sender_key)):
        try:
            return _with_session(machine, sender_key, session, message)
        except vodozemac.OlmDecryptionException:
            continue
    raise OlmMessageRefused("no_session", sender_key=sender_key, wedged=True)


def _with_session(machine: OlmMachine, sender_key: str, session: Session, message: vodozemac.AnyOlmMessage) -> str:
    # nio's own "replace" hides broken UTF-8; a letter that has some is no JSON of an honest client.
    plaintext = str(session.decrypt(message, unicode_errors="replace"))
    machine.save_session(sender_key, session)
    return plaintext


def _with_new_session(machine: OlmMachine, sender_key: str, opening: vodozemac.PreKeyMessage) -> str:
    made, plaintext = machine.account.create_inbound_session(sender_key, opening)
    session = Session(made)
    machine.add_olm_session(sender_key, session)
    # vodozemac took the one-time key out when it opened the message, so the account is written after that, not before.
    machine.save_account()
    return bytes(plaintext).decode(errors="replace")


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), validate=True)


def encrypt_olm(
    machine: OlmMachine, device: KnownDevice, event_type: str, content: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The content of an ``m.room.encrypted`` to-device message for one device; None if there is no session with it.

    The session that it moved on is written; call it in a transaction, and send only once that is on disk: a ratchet
    must not be used twice.
    """
    sessions = machine.olm_sessions(device.curve25519)
    if not sessions:
        return None
    letter = {
        "sender": machine.user_id,
        "sender_device": machine.device_id,
        "keys": {"ed25519": machine.ed25519},
        "recipient": device.owner,
        "recipient_keys": {"ed25519": device.ed25519},
        "type": event_type,
        "content": content,
    }
    session = sessions[0]
    kind, body = session.encrypt(json.dumps(letter)).to_parts()
    machine.save_session(device.curve25519, session)
    return {
        "algorithm": OLM,
        "sender_key": machine.curve25519,
        "ciphertext": {
            device.curve25519: {"type": kind, "body": base64.b64encode(body).decode().rstrip("=")},
        },
    }
