"""What a hostile member writes into a room: each row is one poison."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vodozemac

from tests.clients.hostile_client import MEGOLM, random_base64
from tests.messenger_core.matrix.hostile_scene import SECRET, Scene

_ENCRYPTED = "m.room.encrypted"
# What fits into Synapse's 65,536 bytes an event once it is encrypted and written as base64.
_LEVELS_CLOSED, _LEVELS_OPEN = 23_000, 30_000
# Values where text belongs.
_WRONG: tuple[tuple[str, object], ...] = (
    ("list", [SECRET]),
    ("object", {}),
    ("null", None),
    ("number", 5),
    ("truth", True),
)


@dataclass(frozen=True, slots=True)
class RoomPoison:
    """One row.

    Attributes:
        name: what it is called.
        write: writes it, and returns the ids of the events.
        handled: whether the service gets the last event to see; the others are handed over at most once.
    """

    name: str
    write: Callable[[Scene], Awaitable[Sequence[str]]]
    handled: bool


def _clear(name: str, kind: str, *contents: Mapping[str, object]) -> RoomPoison:
    """Events in clear, which the homeserver takes; the service gets them and has to look at them itself."""

    async def write(scene: Scene) -> list[str]:
        return [await scene.hostile.send(scene.shared_room, kind, content) for content in contents]

    return RoomPoison(name, write, handled=True)


def _state(name: str, kind: str, state_key: str, content: Mapping[str, object]) -> RoomPoison:
    """State of the room that the hostile one rules."""

    async def write(scene: Scene) -> list[str]:
        return [await scene.hostile.set_state(scene.hostile_room, kind, state_key, content)]

    return RoomPoison(name, write, handled=True)


def _outside(name: str, **otherwise: object) -> RoomPoison:
    """A message that could be read, wrong in what stands beside the ciphertext."""

    async def write(scene: Scene) -> list[str]:
        content = scene.hostile.megolm(scene.own_key, payload(scene), **otherwise)
        return [await scene.hostile.send(scene.shared_room, _ENCRYPTED, content)]

    return RoomPoison(name, write, handled=False)


def _beside(name: str, **otherwise: object) -> RoomPoison:
    """A message that is read, whatever else stands beside the ciphertext."""
    return RoomPoison(name, _outside(name, **otherwise).write, handled=True)


def payload(scene: Scene, **otherwise: object) -> str:
    """What stands inside an honest message, but for what is named ``otherwise``."""
    content = {"msgtype": "m.text", "body": SECRET}
    return json.dumps({"type": "m.room.message", "room_id": scene.shared_room, "content": content} | otherwise)


async def _send_inside(scene: Scene, plaintext: str) -> list[str]:
    content = scene.hostile.megolm(scene.own_key, plaintext)
    return [await scene.hostile.send(scene.shared_room, _ENCRYPTED, content)]


def _inside(name: str, plaintext: str, *, handled: bool = False) -> RoomPoison:
    """A message that is decrypted, and holds anything."""
    return RoomPoison(name, lambda scene: _send_inside(scene, plaintext), handled)


def _payload(name: str, *, handled: bool, **otherwise: object) -> RoomPoison:
    """A message that is decrypted, and is wrong in what is named."""
    return RoomPoison(name, lambda scene: _send_inside(scene, payload(scene, **otherwise)), handled)


def _content(name: str, **content: object) -> RoomPoison:
    """A message that is decrypted, with an odd content; the service gets it and has to look at it itself."""
    return _payload(name, handled=True, content={"msgtype": "m.text", "body": SECRET} | content)


def _raw_content(name: str, body: str) -> RoomPoison:
    """The same, with JSON that Python would not write."""

    async def write(scene: Scene) -> list[str]:
        return await _send_inside(scene, payload(scene, content="CONTENT").replace('"CONTENT"', body))

    return RoomPoison(name, write, handled=True)


async def _of_honest(scene: Scene) -> dict[str, Any]:
    """An encrypted event of the honest person, as the homeserver has it."""
    sent = await scene.honest.send_text(scene.shared_room, f"{SECRET} honest")
    return await scene.raw_event(scene.shared_room, sent)


async def _honest_ciphertext_again(scene: Scene) -> list[str]:
    original = await _of_honest(scene)
    return [await scene.hostile.send(scene.shared_room, _ENCRYPTED, original["content"])]


async def _honest_ciphertext_in_another_room(scene: Scene) -> list[str]:
    original = await _of_honest(scene)
    return [await scene.hostile.send(scene.hostile_room, _ENCRYPTED, original["content"])]


async def _under_the_honest_session(scene: Scene) -> list[str]:
    original = await _of_honest(scene)
    content = scene.hostile.megolm(scene.own_key, payload(scene), session_id=original["content"]["session_id"])
    return [await scene.hostile.send(scene.shared_room, _ENCRYPTED, content)]


async def _honest_ciphertext_under_own_session(scene: Scene) -> list[str]:
    original = await _of_honest(scene)
    content = scene.hostile.megolm(scene.own_key, "", ciphertext=original["content"]["ciphertext"])
    return [await scene.hostile.send(scene.shared_room, _ENCRYPTED, content)]


async def _own_ciphertext_again(scene: Scene) -> list[str]:
    content = scene.hostile.megolm(scene.own_key, payload(scene))
    return [await scene.hostile.send(scene.shared_room, _ENCRYPTED, content) for _ in range(3)]


async def _own_key_in_another_room(scene: Scene) -> list[str]:
    content = scene.hostile.megolm(scene.own_key, payload(scene, room_id=scene.hostile_room))
    return [await scene.hostile.send(scene.hostile_room, _ENCRYPTED, content)]


async def _sending_id_of_the_session(scene: Scene) -> list[str]:
    """The random id by which the session knows its own messages again, on a message of a stranger."""
    sent = await scene.honest.send_text(scene.shared_room, f"{SECRET} asks")
    answer = await scene.honest.wait_for(lambda seen: seen.body == f"answer to {sent}", "the answer")
    original = await scene.raw_event(scene.shared_room, answer.event_id)
    stolen = {key: value for key, value in original["content"].items() if key not in {"ciphertext", "session_id"}}
    content = stolen | scene.hostile.megolm(scene.own_key, payload(scene))
    assert "de.hek.sending_id" in content
    return [await scene.hostile.send(scene.shared_room, _ENCRYPTED, content)]


async def _unknown_sessions_in_masses(scene: Scene) -> list[str]:
    session = vodozemac.GroupSession()
    contents = [
        scene.hostile.megolm(session, payload(scene), session_id=random_base64(32), device_id=f"D{number}")
        for number in range(60)
    ]
    return [await scene.hostile.send(scene.shared_room, _ENCRYPTED, content) for content in contents]


async def _encrypted_state(scene: Scene) -> list[str]:
    inner = payload(scene, type="m.room.member", state_key=scene.honest.signed_in.user_id)
    content = scene.hostile.megolm(scene.own_key, inner)
    return [await scene.hostile.set_state(scene.hostile_room, _ENCRYPTED, "x", content)]


def _about_honest(name: str, inner: Callable[[str, str], Mapping[str, object]]) -> RoomPoison:
    """A message that is decrypted and speaks of an event of the honest person (event id and person are given)."""

    async def write(scene: Scene) -> list[str]:
        original = await _of_honest(scene)
        await scene.until(lambda: scene.handled[original["event_id"]] == 1, "the honest message is handled")
        return await _send_inside(scene, payload(scene, **inner(original["event_id"], scene.honest.signed_in.user_id)))

    return RoomPoison(name, write, handled=True)


def _edit(event_id: str, _: str) -> Mapping[str, object]:
    relation = {"rel_type": "m.replace", "event_id": event_id}
    new = {"msgtype": "m.text", "body": SECRET}
    return {"content": {"msgtype": "m.text", "body": "* x", "m.new_content": new, "m.relates_to": relation}}


def _file(**file: object) -> dict[str, object]:
    good: dict[str, object] = {
        "url": "mxc://session.localhost/nothing",
        "v": "v2",
        "key": {"kty": "oct", "alg": "A256CTR", "ext": True, "k": random_base64(32), "key_ops": ["decrypt"]},
        "iv": random_base64(16),
        "hashes": {"sha256": random_base64(32)},
    }
    return good | file


ROOM: tuple[RoomPoison, ...] = (
    # -- in clear
    *(_clear(f"relation_is_{label}", "org.example.x", {"m.relates_to": value, "a": SECRET}) for label, value in _WRONG),
    *(
        _clear(f"relation_to_{label}", "org.example.x", {"m.relates_to": {"rel_type": kind, "event_id": value}})
        for label, value in _WRONG
        for kind in ("m.thread",)
    ),
    *(
        _clear(f"relation_of_kind_{label}", "org.example.x", {"m.relates_to": {"rel_type": value, "event_id": {}}})
        for label, value in _WRONG
    ),
    _clear("type_is_empty", "", {"a": SECRET}),
    _clear("type_of_255_characters", "x" * 255, {"a": SECRET}),
    _clear("type_with_control_characters", "x\n\x01\u2028", {"a": SECRET}),
    _clear("zero_bytes", "org.example.x", {"a\x00": "\x00" + SECRET}),
    _clear("as_large_as_synapse_takes", "org.example.x", {"a": "x" * 64_500}),
    _clear("many_fields", "org.example.x", {f"{number}": number for number in range(5_000)}),
    _clear("message_of_odd_types", "m.room.message", {"body": SECRET, "msgtype": "m.file", "url": 5, "file": [SECRET]}),
    _clear("message_in_clear", "m.room.message", {"body": SECRET, "msgtype": "m.text"}),
    _clear("sticker", "m.sticker", {"body": SECRET, "url": "mxc://x/../../y", "info": []}),
    _clear("verification_in_the_room", "m.key.verification.request", {"methods": 5, "from_device": [], "to": {}}),
    _clear("call", "m.call.invite", {"call_id": [], "offer": SECRET, "version": {}}),
    _clear("reaction_without_relation", "m.reaction", {"m.relates_to": {"rel_type": "m.annotation"}}),
    # -- as state
    _state("state_named_as_a_message", "m.room.message", "", {"body": SECRET, "msgtype": "m.text"}),
    _state("state_with_zero_byte_as_key", "org.example.x", "a\x00b", {"a": SECRET}),
    _state("encryption_of_unknown_algorithm", "m.room.encryption", "other", {"algorithm": 5}),
    _state("rotation_of_wrong_types", "m.room.encryption", "", {"algorithm": MEGOLM, "rotation_period_ms": SECRET}),
    _state("rotation_of_zero", "m.room.encryption", "", {"algorithm": MEGOLM, "rotation_period_msgs": 0}),
    _state("rotation_of_huge", "m.room.encryption", "", {"algorithm": MEGOLM, "rotation_period_ms": 2**53 - 1}),
    _state("history_visibility_is_a_number", "m.room.history_visibility", "", {"history_visibility": 5}),
    _state("join_rule_is_a_list", "m.room.join_rules", "", {"join_rule": [SECRET]}),
    _state("tombstone_of_wrong_type", "m.room.tombstone", "", {"replacement_room": 5, "body": []}),
    _state("encrypted_as_state_without_fields", _ENCRYPTED, "y", {"algorithm": 5}),
    RoomPoison("encrypted_as_state", _encrypted_state, handled=True),
    # -- the outside of encrypted messages
    _outside("algorithm_is_unknown", algorithm=SECRET),
    *(_outside(f"algorithm_is_{label}", algorithm=value) for label, value in _WRONG),
    *(_outside(f"ciphertext_is_{label}", ciphertext=value) for label, value in (*_WRONG, ("text", SECRET))),
    *(_outside(f"session_id_is_{label}", session_id=value) for label, value in _WRONG),
    _outside("ciphertext_is_empty", ciphertext=""),
    _outside("ciphertext_is_random", ciphertext=random_base64(300)),
    _outside("ciphertext_of_60_kb", ciphertext=random_base64(45_000)),
    _outside("ciphertext_is_no_ascii", ciphertext="ä" * 100),
    _outside("session_id_is_unknown", session_id=random_base64(32)),
    _outside("session_id_is_empty", session_id=""),
    _outside("session_id_with_zero_byte", session_id="a\x00b"),
    _outside("session_id_is_no_ascii", session_id="ä" * 43),
    _outside("session_id_of_60_kb", session_id=random_base64(45_000)),
    RoomPoison("unknown_sessions_in_masses", _unknown_sessions_in_masses, handled=False),
    RoomPoison("honest_ciphertext_again", _honest_ciphertext_again, handled=False),
    RoomPoison("honest_ciphertext_in_another_room", _honest_ciphertext_in_another_room, handled=False),
    RoomPoison("under_the_honest_session", _under_the_honest_session, handled=False),
    RoomPoison("honest_ciphertext_under_own_session", _honest_ciphertext_under_own_session, handled=False),
    RoomPoison("own_ciphertext_again", _own_ciphertext_again, handled=False),
    RoomPoison("own_key_in_another_room", _own_key_in_another_room, handled=False),
    RoomPoison("sending_id_of_the_session", _sending_id_of_the_session, handled=True),
    *(_beside(f"sender_key_is_{label}", sender_key=value) for label, value in _WRONG),
    *(_beside(f"device_id_is_{label}", device_id=value) for label, value in _WRONG),
    *(_beside(f"outer_relation_is_{label}", **{"m.relates_to": value}) for label, value in _WRONG),
    # -- what stands inside
    _inside("payload_is_empty", ""),
    _inside("payload_is_no_json", SECRET),
    *(_inside(f"payload_is_{label}", json.dumps(value)) for label, value in _WRONG),
    _inside("payload_nested_and_open", "[" * _LEVELS_OPEN),
    _inside("payload_nested_and_closed", "[" * _LEVELS_CLOSED + "]" * _LEVELS_CLOSED),
    _inside("payload_nested_objects", '{"a":' * 7_000 + "1" + "}" * 7_000),
    _inside("payload_with_broken_utf8", '{"type":"\ud800"}'),
    _inside("payload_with_nan", '{"type":"m.room.message","content":{"a":NaN}}'),
    _inside("payload_with_number_of_5000_digits", '{"type":"m.room.message","content":{"a":%s}}' % ("9" * 5_000)),
    *(_payload(f"payload_room_is_{label}", handled=False, room_id=value) for label, value in _WRONG),
    _payload("payload_of_another_room", handled=False, room_id="!another:session.localhost"),
    *(_payload(f"payload_type_is_{label}", handled=False, type=value) for label, value in _WRONG),
    *(
        _payload(f"payload_content_is_{label}", handled=False, content=value)
        for label, value in (*_WRONG, ("text", SECRET))
        if label != "object"
    ),
    _payload("payload_type_is_empty", handled=True, type=""),
    _payload("payload_is_encrypted_again", handled=True, type=_ENCRYPTED, content={"algorithm": MEGOLM}),
    _payload("payload_says_another_sender", handled=True, sender="@somebody:else"),
    _payload("payload_says_another_id", handled=True, event_id="$another"),
    _payload("payload_says_another_time", handled=True, origin_server_ts=-(10**30)),
    _payload("payload_is_state", handled=True, type="m.room.member", state_key="", content={"membership": [SECRET]}),
    _payload("payload_redacts_a_number", handled=True, type="m.room.redaction", redacts=5, content={"redacts": [1]}),
    _about_honest("payload_redacts_another", lambda event, _: {"type": "m.room.redaction", "redacts": event}),
    _about_honest("payload_redacts_in_content", lambda e, _: {"type": "m.room.redaction", "content": {"redacts": e}}),
    _about_honest("payload_edits_another", _edit),
    _about_honest("payload_says_the_honest_sender", lambda _, person: {"sender": person, "user_id": person}),
    _content("edit_of_wrong_types", **{"m.new_content": [SECRET], "m.relates_to": {"rel_type": "m.replace"}}),
    *(_content(f"inner_relation_is_{label}", **{"m.relates_to": value}) for label, value in _WRONG),
    *(
        _content(f"thread_of_{label}", **{"m.relates_to": {"rel_type": "m.thread", "event_id": value}})
        for label, value in _WRONG
    ),
    *(_content(f"body_is_{label}", body=value) for label, value in _WRONG),
    *(_content(f"message_type_is_{label}", msgtype=value) for label, value in _WRONG),
    *(_content(f"file_is_{label}", msgtype="m.file", file=value) for label, value in _WRONG),
    *(
        _content(f"file_{field}_is_{label}", msgtype="m.file", file=_file(**{field: value}))
        for field in ("url", "key", "iv", "hashes", "v")
        for label, value in (*_WRONG, ("text", SECRET))
    ),
    _content("file_is_not_there", msgtype="m.file", file=_file()),
    _content("file_of_another_path", msgtype="m.file", file=_file(url="mxc://session.localhost/../../../x?y#z")),
    _payload(
        "file_of_another_server",
        handled=False,
        content={"msgtype": "m.file", "body": SECRET, "file": _file(url="mxc://127.0.0.1:1/x")},
    ),
    _content("file_address_of_50_kb", msgtype="m.file", file=_file(url="mxc://session.localhost/" + "x" * 40_000)),
    _content("file_address_with_zero_byte", msgtype="m.file", file=_file(url="mxc://session.localhost/a\x00b")),
    *(_content(f"file_info_is_{label}", msgtype="m.file", file=_file(), info=value) for label, value in _WRONG),
    _content("thumbnail_of_wrong_types", msgtype="m.image", file=_file(), info={"thumbnail_file": [1], "size": "x"}),
    _content("zero_bytes_inside", body="\x00" + SECRET, **{"a\x00": 1}),
    _raw_content("half_characters_inside", '{"msgtype":"m.text","body":"\\ud800","\\udfff":"\\udfff"}'),
    _raw_content("infinite_number_inside", '{"msgtype":"m.text","body":"x","info":{"size":1e999,"w":-1e999}}'),
    _raw_content("number_of_4000_digits_inside", '{"msgtype":"m.text","body":"x","n":%s}' % ("9" * 4_000)),
    _raw_content("doubled_fields_inside", '{"msgtype":"m.text","msgtype":5,"body":"x","body":[]}'),
    _raw_content("ninety_levels_inside", '{"msgtype":"m.text","body":"x","a":%s}' % ("[" * 90 + "]" * 90)),
    _content("as_large_as_fits", body="x" * 45_000),
)
