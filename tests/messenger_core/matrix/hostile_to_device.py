"""What a hostile device sends to the session's device: each row is one poison."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import vodozemac

from tests.clients.hostile_client import MEGOLM, OLM, HostileClient, random_base64
from tests.messenger_core.matrix.hostile_scene import SECRET, Scene

# Type and content, bytes for JSON that Python would not write.
Sending = tuple[str, dict[str, object] | bytes]
_ENCRYPTED = "m.room.encrypted"
# What fits into Synapse's 65,536 bytes once it is encrypted and written as base64.
_LEVELS_CLOSED, _LEVELS_OPEN = 22_000, 30_000
_SOME_KEY = base64.b64encode(bytes(31) + b"\x09").rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class ToDevicePoison:
    """One row: what it is called, and what it sends when the scene is set."""

    name: str
    sendings: Callable[[Scene], Sequence[Sending]]


# Values where text belongs.
_WRONG: tuple[tuple[str, object], ...] = (
    ("list", [SECRET]),
    ("object", {}),
    ("null", None),
    ("number", 5),
    ("truth", True),
)


def _plain(name: str, kind: str, *contents: dict[str, object] | bytes) -> ToDevicePoison:
    return ToDevicePoison(name, lambda _: [(kind, content) for content in contents])


def _envelope(name: str, kind: object, body: object) -> ToDevicePoison:
    return ToDevicePoison(name, lambda scene: [(_ENCRYPTED, scene.hostile.envelope(kind, body))])


def _outside(name: str, **otherwise: object) -> ToDevicePoison:
    """A good Olm message whose outside is wrong."""

    def sendings(scene: Scene) -> list[Sending]:
        good = scene.hostile.olm(scene.hostile.letter("m.dummy", {}))
        return [(_ENCRYPTED, good | otherwise)]

    return ToDevicePoison(name, sendings)


def _inside(name: str, plaintext: str) -> ToDevicePoison:
    """A good Olm message that holds anything."""
    return ToDevicePoison(name, lambda scene: [(_ENCRYPTED, scene.hostile.olm(plaintext))])


def _letter(name: str, kind: str, content: object, /, **otherwise: object) -> ToDevicePoison:
    """A good Olm message with a letter that is wrong in what is named."""

    def sendings(scene: Scene) -> list[Sending]:
        return [(_ENCRYPTED, scene.hostile.olm(scene.hostile.letter(kind, content, **otherwise)))]

    return ToDevicePoison(name, sendings)


def _room_key(name: str, **otherwise: object) -> ToDevicePoison:
    """A room key in a good Olm message, wrong in what is named."""

    def sendings(scene: Scene) -> list[Sending]:
        content = scene.hostile.room_key(scene.shared_room, vodozemac.GroupSession(), **otherwise)
        return [(_ENCRYPTED, scene.hostile.olm(scene.hostile.letter("m.room_key", content)))]

    return ToDevicePoison(name, sendings)


def _changed_message(change: Callable[[bytes], bytes]) -> Callable[[Scene], list[Sending]]:
    def sendings(scene: Scene) -> list[Sending]:
        good = scene.hostile.olm(scene.hostile.letter("m.dummy", {}))
        part = good["ciphertext"][scene.hostile.target.curve25519]
        raw = base64.b64decode(part["body"] + "==")
        part["body"] = base64.b64encode(change(raw)).rstrip(b"=").decode()
        return [(_ENCRYPTED, good)]

    return sendings


def _flipped(raw: bytes) -> bytes:
    middle = len(raw) // 2
    return raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :]


def _twice(scene: Scene) -> list[Sending]:
    content = scene.hostile.room_key(scene.shared_room, vodozemac.GroupSession())
    good = scene.hostile.olm(scene.hostile.letter("m.room_key", content))
    return [(_ENCRYPTED, good), (_ENCRYPTED, good)]


def _unknown_one_time_keys(scene: Scene) -> list[Sending]:
    letter = scene.hostile.letter("m.dummy", {})
    return [(_ENCRYPTED, scene.hostile.olm_for_unknown_key(letter)) for _ in range(5)]


def _forwarded(scene: Scene) -> dict[str, object]:
    """A room key that nobody asked for, said to be of the session's own device."""
    session = vodozemac.GroupSession()
    exported = vodozemac.InboundGroupSession(session.session_key).export_at(0)
    assert exported is not None
    return {
        "algorithm": MEGOLM,
        "room_id": scene.shared_room,
        "session_id": session.session_id,
        "session_key": exported.to_base64(),
        "sender_key": scene.hostile.target.curve25519,
        "sender_claimed_ed25519_key": scene.hostile.target.ed25519,
        "forwarding_curve25519_key_chain": [SECRET],
    }


def _forwarded_encrypted(scene: Scene) -> list[Sending]:
    return [(_ENCRYPTED, scene.hostile.olm(scene.hostile.letter("m.forwarded_room_key", _forwarded(scene))))]


def _with_another_id(scene: Scene) -> list[Sending]:
    """The hostile one's key under the name of a room key that the session reads others with."""
    known = scene.own_key.session_id
    content = scene.hostile.room_key(scene.quiet_room, vodozemac.GroupSession(), session_id=known)
    return [(_ENCRYPTED, scene.hostile.olm(scene.hostile.letter("m.room_key", content)))]


def _with_foreign_sender(scene: Scene) -> list[Sending]:
    letter = scene.hostile.letter("m.dummy", {}, sender=scene.honest.signed_in.user_id)
    return [(_ENCRYPTED, scene.hostile.olm(letter))]


def _from_the_target_itself(scene: Scene) -> list[Sending]:
    good = scene.hostile.olm(scene.hostile.letter("m.dummy", {}))
    return [(_ENCRYPTED, good | {"sender_key": scene.hostile.target.curve25519})]


def _for_somebody_else(scene: Scene) -> list[Sending]:
    good = scene.hostile.olm(scene.hostile.letter("m.dummy", {}))
    ((_, part),) = good["ciphertext"].items()
    return [(_ENCRYPTED, good | {"ciphertext": {_SOME_KEY: part}})]


def _wish(hostile: HostileClient, room_id: object, session_id: object) -> dict[str, object]:
    return {
        "action": "request",
        "requesting_device_id": hostile.signed_in.device_id,
        "request_id": random_base64(12),
        "body": {"algorithm": MEGOLM, "room_id": room_id, "session_id": session_id, "sender_key": _SOME_KEY},
    }


def _key_requests(scene: Scene) -> list[Sending]:
    """As many as Synapse lets through at once (100), for keys that exist and keys that do not."""
    sessions = [scene.own_key.session_id, *(random_base64(32) for _ in range(40))]
    rooms = (scene.shared_room, scene.quiet_room)
    return [("m.room_key_request", _wish(scene.hostile, room, session)) for session in sessions for room in rooms]


def _odd_key_requests(scene: Scene) -> list[Sending]:
    good = _wish(scene.hostile, scene.shared_room, scene.own_key.session_id)
    odd: list[dict[str, object]] = [
        good | {"body": [SECRET]},
        good | {"action": 5},
        good | {"request_id": {"a": []}},
        good | {"requesting_device_id": ["x"]},
        good | {"requesting_device_id": "x" * 60_000},
        good | {"requesting_device_id": "x\x00y"},
        good | {"body": {"algorithm": MEGOLM, "room_id": 5, "session_id": []}},
        good | {"body": {"algorithm": MEGOLM, "room_id": "!\x00", "session_id": "\x00"}},
        good | {"action": "request_cancellation", "request_id": None},
    ]
    return [("m.room_key_request", content) for content in odd]


def _withheld(scene: Scene) -> list[Sending]:
    good: dict[str, object] = {
        "algorithm": MEGOLM,
        "room_id": scene.shared_room,
        "session_id": scene.own_key.session_id,
        "sender_key": scene.hostile.curve25519,
        "code": "m.blacklisted",
        "reason": SECRET,
    }
    odd: list[dict[str, object]] = [good, good | {"code": 5}, good | {"session_id": [1], "room_id": None}]
    return [("m.room_key.withheld", content) for content in odd]


def _verification(scene: Scene) -> list[Sending]:
    common: dict[str, object] = {"transaction_id": SECRET, "from_device": scene.hostile.signed_in.device_id}
    steps: dict[str, dict[str, object]] = {
        "request": {"methods": ["m.sas.v1"], "timestamp": 1_700_000_000_000},
        "ready": {"methods": 5},
        "start": {"method": "m.sas.v1", "key_agreement_protocols": [], "hashes": "x", "short_authentication_string": 1},
        "accept": {"commitment": []},
        "key": {"key": "x" * 1_000},
        "mac": {"mac": {"ed25519:X": 5}, "keys": 7},
        "done": {},
        "cancel": {"code": [], "reason": SECRET},
    }
    return [(f"m.key.verification.{step}", common | content) for step, content in steps.items()]


def _garbage_in_masses(scene: Scene) -> list[Sending]:
    return [(_ENCRYPTED, scene.hostile.envelope(number % 2, random_base64(150))) for number in range(100)]


TO_DEVICE: tuple[ToDevicePoison, ...] = (
    # -- the outside of Olm messages
    _plain("encrypted_without_fields", _ENCRYPTED, {}),
    _plain("unknown_algorithm", _ENCRYPTED, {"algorithm": SECRET, "ciphertext": {}}),
    _plain("algorithm_of_wrong_type", _ENCRYPTED, {"algorithm": [OLM]}, {"algorithm": {"a": 1}}, {"algorithm": None}),
    _plain("room_algorithm", _ENCRYPTED, {"algorithm": MEGOLM, "ciphertext": SECRET, "session_id": "x"}),
    *(_outside(f"ciphertext_is_{label}", ciphertext=value) for label, value in (*_WRONG, ("text", SECRET))),
    *(_outside(f"sender_key_is_{label}", sender_key=value) for label, value in (*_WRONG, ("text", SECRET))),
    _outside("sender_key_of_zeros", sender_key=base64.b64encode(bytes(32)).rstrip(b"=").decode()),
    _outside("sender_key_of_another_device", sender_key=_SOME_KEY),
    _outside("sender_key_with_broken_base64", sender_key="=" * 43),
    ToDevicePoison("sender_key_of_the_target", _from_the_target_itself),
    ToDevicePoison("ciphertext_for_another_device", _for_somebody_else),
    *(_envelope(f"body_is_{label}", 0, value) for label, value in (*_WRONG, ("empty", ""))),
    _envelope("body_is_no_base64", 0, "§§§ " + SECRET),
    _envelope("body_is_no_base64_known_session", 1, "§§§ " + SECRET),
    *(
        _envelope(f"kind_is_{label}", kind, random_base64(200))
        for label, kind in (("text", "0"), ("true", True), ("two", 2), ("negative", -1), ("null", None), ("float", 0.5))
    ),
    _envelope("kind_is_huge", 10**4_000, random_base64(200)),
    _envelope("random_opening_message", 0, random_base64(200)),
    _envelope("random_message", 1, random_base64(200)),
    _envelope("opening_message_of_48_kb", 0, random_base64(48_000)),
    ToDevicePoison("truncated_message", _changed_message(lambda raw: raw[: len(raw) // 2])),
    ToDevicePoison("flipped_bit", _changed_message(_flipped)),
    ToDevicePoison("longer_message", _changed_message(lambda raw: raw + b"\x00" * 50)),
    ToDevicePoison("opening_message_for_unknown_one_time_key", _unknown_one_time_keys),
    ToDevicePoison("same_message_twice", _twice),
    ToDevicePoison("garbage_in_masses", _garbage_in_masses),
    # -- what stands inside a good Olm message
    _inside("letter_is_empty", ""),
    _inside("letter_is_no_json", SECRET),
    *(_inside(f"letter_is_{label}", text) for label, text in (("list", "[]"), ("null", "null"), ("number", "5"))),
    _inside("letter_is_nan", '{"type":NaN}'),
    _inside("letter_with_number_of_5000_digits", '{"type":%s}' % ("9" * 5_000)),
    _inside("letter_with_infinite_number", '{"type":1e999}'),
    _inside("letter_nested_and_closed", "[" * _LEVELS_CLOSED + "]" * _LEVELS_CLOSED),
    _inside("letter_nested_objects", '{"a":' * 6_000 + "1" + "}" * 6_000),
    _inside("letter_nested_and_open", "[" * _LEVELS_OPEN),
    _inside("letter_with_half_characters", '{"type":"\\ud800","\\udfff":1}'),
    _inside("letter_with_broken_utf8", '{"type":"\ud800"}'),
    *(
        _letter(f"letter_with_{field}_{label}", "m.dummy", {}, **{field: value})
        for field in ("sender", "recipient", "recipient_keys", "keys", "content", "type")
        for label, value in _WRONG
        if (field, label) not in {("keys", "object"), ("content", "object")}
    ),
    _letter("letter_for_somebody_else", "m.dummy", {}, recipient="@somebody:else"),
    _letter("letter_for_another_key", "m.dummy", {}, recipient_keys={"ed25519": _SOME_KEY}),
    _letter("letter_of_another_key", "m.room_key", {}, keys={"ed25519": _SOME_KEY}),
    _letter("letter_without_signing_key", "m.dummy", {}, keys={"ed25519": 5}),
    ToDevicePoison("letter_of_somebody_else", _with_foreign_sender),
    _room_key("room_key_of_unknown_algorithm", algorithm=SECRET),
    *(_room_key(f"room_key_for_room_{label}", room_id=value) for label, value in _WRONG),
    _room_key("room_key_for_room_of_20_kb", room_id="!" + "x" * 20_000),
    _room_key("room_key_for_room_with_zero_byte", room_id="!x\x00y"),
    _room_key("room_key_for_unknown_room", room_id="!nowhere:session.localhost"),
    *(_room_key(f"room_key_of_session_{label}", session_id=value) for label, value in _WRONG),
    *(_room_key(f"room_key_is_{label}", session_key=value) for label, value in (*_WRONG, ("text", SECRET))),
    _room_key("room_key_of_40_kb", session_key="A" * 40_000),
    ToDevicePoison("room_key_under_another_id", _with_another_id),
    _letter("room_key_without_fields", "m.room_key", {}),
    ToDevicePoison("forwarded_key_unasked", _forwarded_encrypted),
    _letter("forwarded_key_without_fields", "m.forwarded_room_key", {}),
    _letter("envelope_in_an_envelope", _ENCRYPTED, {"algorithm": OLM, "ciphertext": {}}),
    _letter("secret_unasked", "m.secret.send", {"request_id": "x", "secret": SECRET}),
    _letter("unknown_letter", "org.example.unknown", {"a": [SECRET]}),
    # -- in clear
    ToDevicePoison(
        "room_key_in_clear",
        lambda scene: [("m.room_key", scene.hostile.room_key(scene.shared_room, vodozemac.GroupSession()))],
    ),
    ToDevicePoison("forwarded_key_in_clear", lambda scene: [("m.forwarded_room_key", _forwarded(scene))]),
    ToDevicePoison("key_requests_in_masses", _key_requests),
    ToDevicePoison("key_requests_of_wrong_types", _odd_key_requests),
    ToDevicePoison("keys_withheld", _withheld),
    ToDevicePoison("verification", _verification),
    _plain("secret_request", "m.secret.request", {"action": "request", "name": "m.cross_signing.master"}),
    _plain("dummy_in_clear", "m.dummy", {}),
    _plain("type_is_empty", "", {"a": SECRET}),
    _plain("type_of_6000_characters", "x" * 6_000, {"a": SECRET}),
    _plain("type_with_control_characters", "x\n\x00\u2028", {"a": SECRET}),
    _plain("number_of_4000_digits", _ENCRYPTED, b'{"algorithm":%s}' % (b"9" * 4_000)),
    _plain("large_float", _ENCRYPTED, b'{"algorithm":1.5e300,"ciphertext":-0.0}'),
    _plain("doubled_fields", _ENCRYPTED, b'{"algorithm":"x","algorithm":{}}'),
    _plain("zero_byte", _ENCRYPTED, {"algorithm": "\x00", "sender_key": "\x00"}),
    _plain("as_large_as_synapse_takes", _ENCRYPTED, {"algorithm": OLM, "ciphertext": "x" * 65_000}),
)


def nested(levels: int) -> bytes:
    """A content that is nested."""
    return b'{"a":' + b"[" * levels + b"]" * levels + b"}"


# What Synapse 1.163 does not let through: a row that it begins to accept must move into the table above.
REFUSED: dict[str, bytes] = {
    "half_character": b'{"a":"\\ud800"}',
    "not_a_number": b'{"a":NaN}',
    "infinite_number": b'{"a":1e999}',
    "number_of_5000_digits": b'{"a":%s}' % (b"9" * 5_000),
    "broken_utf8": b'{"a":"\xff"}',
    "content_is_a_list": b"[1]",
    "content_is_text": json.dumps(SECRET).encode(),
    "content_is_null": b"null",
    "larger_than_65536_bytes": b'{"a":"%s"}' % (b"x" * 66_000),
    "nested_1000_levels": nested(1_000),
}
