"""Keys of other people's devices: honest ones stay as they are, and of anything else nothing is left."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_modules.rules import device_keys

_USER = "@praxis:practice.test"
_ASKING = "@erika:hek.test"
_KEY = "A" * 43
_SIGNED = {_USER: {"ed25519:PRAXIS": "C" * 86}}
DEVICE = {
    "user_id": _USER,
    "device_id": "PRAXIS",
    "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
    "keys": {"curve25519:PRAXIS": _KEY, "ed25519:PRAXIS": _KEY},
    "signatures": _SIGNED,
}
MASTER = {"user_id": _USER, "usage": ["master"], "keys": {f"ed25519:{_KEY}": _KEY}, "signatures": _SIGNED}
ONE_TIME = {"key": _KEY, "fallback": True, "signatures": _SIGNED}


def _without(device: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in device.items() if name != key}


def test_honest_keys_stay_as_they_are() -> None:
    assert device_keys.of_device(_USER, "PRAXIS", DEVICE) == DEVICE
    assert device_keys.of_device(_USER, "PRAXIS", DEVICE | {"dehydrated": True}) == DEVICE | {"dehydrated": True}
    answer = {
        "device_keys": {_USER: {"PRAXIS": DEVICE}},
        "master_keys": {_USER: MASTER},
        "self_signing_keys": {_USER: MASTER | {"usage": ["self_signing"]}},
    }
    assert device_keys.of_query(answer) == answer
    claimed = {"one_time_keys": {_USER: {"PRAXIS": {"signed_curve25519:AAAA": ONE_TIME}}}}
    assert device_keys.of_claim(claimed) == claimed
    listed = {
        "user_id": _USER,
        "stream_id": 3,
        "devices": [{"device_id": "PRAXIS", "keys": DEVICE}],
        "master_key": MASTER,
        "self_signing_key": MASTER | {"usage": ["self_signing"]},
    }
    assert device_keys.of_device_list(_USER, listed) == listed
    change = {"user_id": _USER, "device_id": "PRAXIS", "stream_id": 3, "prev_id": [2], "keys": DEVICE}
    assert device_keys.of_changed_device(change) == change


def test_what_is_not_signed_is_left_out_alone() -> None:
    others = {"@words:x": {"ed25519:X": "C" * 86}, _ASKING: {f"ed25519:{_KEY}": "D" * 86}}
    said = DEVICE | {"unsigned": {"device_display_name": "Befund"}, "signatures": _SIGNED | others}
    assert device_keys.of_device(_USER, "PRAXIS", said) == DEVICE
    kept = device_keys.of_device(_USER, "PRAXIS", said, {_ASKING})
    assert kept is not None
    assert kept["signatures"].keys() == {_USER, _ASKING}


@pytest.mark.parametrize(
    "device",
    [
        "text",
        [],
        None,
        DEVICE | {"note": "words"},
        DEVICE | {"user_id": "@other:practice.test"},
        DEVICE | {"device_id": "OTHER"},
        DEVICE | {"algorithms": ["words"]},
        DEVICE | {"algorithms": [["words"]]},
        DEVICE | {"algorithms": "m.olm.v1.curve25519-aes-sha2"},
        DEVICE | {"keys": {"words:PRAXIS": _KEY}},
        DEVICE | {"keys": {"ed25519:PRAXIS": "words in clear"}},
        DEVICE | {"keys": []},
        DEVICE | {"dehydrated": "words"},
        *(_without(DEVICE, key) for key in ("user_id", "device_id", "algorithms", "keys")),
    ],
)
def test_a_device_that_says_anything_else_is_left_out(device: object) -> None:
    assert device_keys.of_device(_USER, "PRAXIS", device) is None
    assert device_keys.of_devices(_USER, {"PRAXIS": device, "OTHER": DEVICE | {"device_id": "OTHER"}}) == {}
    assert device_keys.of_query({"device_keys": {_USER: {"PRAXIS": device}}})["device_keys"] == {_USER: {}}


def test_a_device_with_words_for_a_name_is_left_out() -> None:
    name = "words in clear"
    keys = {f"ed25519:{name}": _KEY}
    assert device_keys.of_device(_USER, name, DEVICE | {"device_id": name, "keys": keys}) is None


@pytest.mark.parametrize(
    "master",
    ["x", MASTER | {"note": "words"}, MASTER | {"usage": ["words"]}, MASTER | {"keys": {"ed25519:words": _KEY}}],
)
def test_what_vouches_and_says_anything_else_is_left_out(master: object) -> None:
    assert device_keys.of_person(_USER, "master", master) is None
    assert device_keys.of_vouching(_USER, {"master_key": master}) == {}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("words:AAAA", ONE_TIME),
        ("signed_curve25519:words in clear", ONE_TIME),
        ("signed_curve25519:AAAA", ONE_TIME | {"note": "words"}),
        ("signed_curve25519:AAAA", ONE_TIME | {"key": "words"}),
        ("signed_curve25519:AAAA", ONE_TIME | {"fallback": "words"}),
        ("signed_curve25519:AAAA", _KEY),
    ],
)
def test_a_one_time_key_that_says_anything_else_is_left_out(name: str, key: object) -> None:
    assert device_keys.of_claim({"one_time_keys": {_USER: {"PRAXIS": {name: key}}}}) == {"one_time_keys": {_USER: {}}}


_NAMES = st.sampled_from(
    [
        "device_keys", "master_keys", "one_time_keys", "devices", "device_id", "stream_id", "user_id", "keys", "usage",
        "signatures", "unsigned", "algorithms", "prev_id", "deleted", "PRAXIS", _USER, "signed_curve25519:AAAA", "key",
    ]
)  # fmt: skip
_VALUES = st.sampled_from([_USER, "PRAXIS", DEVICE, MASTER, ONE_TIME, "words in clear", 3, [2], ["master"], True])
_JSON = st.recursive(
    st.none() | _VALUES | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.text(max_size=4), inner, max_size=4),
    max_leaves=14,
)


@given(_JSON)
def test_of_any_answer_only_keys_are_left(said: Any) -> None:
    answers = [
        device_keys.of_query(said),
        device_keys.of_claim(said),
        device_keys.of_device_list(_USER, said),
    ]
    if isinstance(said, dict):
        answers.append(device_keys.of_vouching(_USER, said))
        with suppress(KeyError, TypeError, ValueError):
            answers.append(device_keys.of_changed_device(said))
    assert not any(word in str(answers) for word in ("words in clear", "unsigned"))
