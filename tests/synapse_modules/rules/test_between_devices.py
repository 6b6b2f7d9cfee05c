"""What passes from device to device, and what people publish as their keys: known keys, of a known form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_modules.rules.between_devices import for_others
from synapse_modules.rules.public_keys import is_cross_signing_key, is_device_keys, is_one_time_keys

KEY, DEVICE = "k" * 43, "PHONEPHONE"
STEP = {"transaction_id": "m1700000000.1"}
SESSION = {"algorithm": "m.megolm.v1.aes-sha2", "room_id": "!r:t", "sender_key": KEY, "session_id": KEY}
ASKED = {"requesting_device_id": DEVICE, "request_id": "m17.0"}
# As Element's crypto library, its predecessor and matrix-nio send them.
SENT: dict[str, dict[str, Any]] = {
    "m.room.encrypted": {
        "algorithm": "m.olm.v1.curve25519-aes-sha2",
        "sender_key": KEY,
        "ciphertext": {KEY: {"type": 0, "body": "AwogAAAA"}},
        "org.matrix.msgid": "9b1f2c0a-5f5e-4ac5-a6c8-0d2b9a8e4c11",
    },
    "m.dummy": {},
    "m.room_key_request": {"action": "request", "body": SESSION} | ASKED,
    "m.secret.request": {"action": "request", "name": "m.cross_signing.self_signing"} | ASKED,
    "m.room_key.withheld": SESSION | {"code": "m.unverified", "from_device": DEVICE},
    "org.matrix.room_key.withheld": SESSION | {"code": "m.blacklisted"},
    "m.key.verification.request": STEP
    | {"from_device": DEVICE, "methods": ["m.sas.v1", "m.qr_code.scan.v1"], "timestamp": 1_700_000_000_000},
    "m.key.verification.ready": STEP | {"from_device": DEVICE, "methods": ["m.sas.v1"]},
    "m.key.verification.start": STEP
    | {
        "from_device": DEVICE,
        "method": "m.sas.v1",
        "key_agreement_protocols": ["curve25519-hkdf-sha256", "curve25519"],
        "hashes": ["sha256"],
        "message_authentication_codes": ["hkdf-hmac-sha256.v2", "org.matrix.msc3783.hkdf-hmac-sha256"],
        "short_authentication_string": ["decimal", "emoji"],
    },
    "m.key.verification.accept": STEP
    | {
        "method": "m.sas.v1",
        "key_agreement_protocol": "curve25519-hkdf-sha256",
        "hash": "sha256",
        "message_authentication_code": "hkdf-hmac-sha256.v2",
        "short_authentication_string": ["decimal", "emoji"],
        "commitment": KEY,
    },
    "m.key.verification.key": STEP | {"key": KEY},
    "m.key.verification.mac": STEP | {"mac": {f"ed25519:{DEVICE}": KEY}, "keys": KEY},
    "m.key.verification.done": STEP,
    "m.key.verification.cancel": STEP | {"code": "m.user"},
}
WORDS = "Mein Befund"


@pytest.mark.parametrize("kind", SENT)
def test_what_ordinary_clients_send_arrives_whole_and_nothing_beside_it(kind: str) -> None:
    assert for_others(kind, SENT[kind]) == SENT[kind]
    assert for_others(kind, SENT[kind] | {"reason": WORDS, "body_of_letter": WORDS, WORDS: {}}) == SENT[kind]


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind, content in SENT.items() for key in content])
def test_what_does_not_look_like_what_it_is_called_goes_nowhere(kind: str, key: str) -> None:
    for wrong in (WORDS, [WORDS], {WORDS: WORDS}, {KEY: {"type": WORDS}}, 1.5, None, True):
        assert for_others(kind, SENT[kind] | {key: wrong}) is None


def test_what_is_no_work_of_encryption_goes_nowhere() -> None:
    for kind in ("m.room.message", "m.key.verification.words", "m.secret.send", "m.room_key", "org.words", ""):
        assert for_others(kind, {}) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just(KEY), inner, max_size=3),
    max_leaves=6,
)
_KEYS = st.sampled_from(sorted({key for content in SENT.values() for key in content})) | st.text()


def _has_gaps(value: Any) -> bool:
    """Whether a sentence could be in it."""
    if isinstance(value, dict):
        return any(map(_has_gaps, [*value, *value.values()]))
    return any(map(_has_gaps, value)) if isinstance(value, list) else isinstance(value, str) and " " in value


@given(st.sampled_from([*SENT]) | st.text(), st.dictionaries(_KEYS, _JSON, max_size=5))
def test_whatever_is_sent_no_sentence_arrives(kind: str, content: dict[str, Any]) -> None:
    sent = for_others(kind, content)
    assert sent is None or not _has_gaps(sent)


DEVICE_KEYS: dict[str, Any] = {
    "user_id": "@erika:t",
    "device_id": DEVICE,
    "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
    "keys": {f"curve25519:{DEVICE}": KEY, f"ed25519:{DEVICE}": KEY},
    "signatures": {"@erika:t": {f"ed25519:{DEVICE}": "s" * 86}},
}
ONE_TIME = {"signed_curve25519:AAAAHQ": {"key": KEY, "fallback": True, "signatures": DEVICE_KEYS["signatures"]}}
CROSS_SIGNING: dict[str, Any] = {
    "user_id": "@erika:t",
    "usage": ["self_signing"],
    "keys": {f"ed25519:{KEY}": KEY},
    "signatures": {"@erika:t": {f"ed25519:{KEY}": "s" * 86}},
}


def test_published_keys_say_nothing_else() -> None:
    assert is_device_keys(DEVICE_KEYS)
    assert is_device_keys(DEVICE_KEYS | {"dehydrated": True})
    assert is_one_time_keys(ONE_TIME)
    assert is_one_time_keys({"curve25519:AAAAHQ": KEY})
    assert is_cross_signing_key(CROSS_SIGNING)
    for key in [*DEVICE_KEYS, "note"]:
        for wrong in (WORDS, [WORDS], {WORDS: KEY}, {"note": WORDS}):
            assert not is_device_keys(DEVICE_KEYS | {key: wrong})
            assert not is_cross_signing_key(CROSS_SIGNING | {key: wrong})
    assert not is_device_keys(DEVICE_KEYS | {"unsigned": {"device_display_name": WORDS}})
    odd: list[Any] = [WORDS, {"key": WORDS}, {"key": KEY, "note": KEY}, None]
    for one in odd:
        assert not is_one_time_keys({"signed_curve25519:A": one})
    assert not is_one_time_keys({WORDS: KEY})


@given(_JSON)
def test_whatever_is_published_is_judged(body: Any) -> None:
    for form in (is_device_keys, is_one_time_keys, is_cross_signing_key):
        assert form(body) in {True, False}
