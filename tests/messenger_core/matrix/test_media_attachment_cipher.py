"""The attachment cipher: round trips in any pieces, nio as the other side, and hostile descriptions."""

from __future__ import annotations

import base64
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nio.crypto import decrypt_attachment, encrypt_attachment

from messenger_core.matrix.faults import FileUnreadable
from messenger_core.matrix.media.attachment_cipher import EncryptedFile, FileKey
from tests.messenger_core.matrix.media_scene import MXC, json_values, seal


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data, cut anywhere; some pieces may be empty."""
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def open_in(pieces: list[bytes], described: object) -> bytes:
    keystream = EncryptedFile.from_content(described).key.keystream()
    return b"".join([keystream.update(piece) for piece in pieces])


cut_places = st.lists(st.integers(0, 400), max_size=6)


@given(data=st.binary(max_size=400), written=cut_places, read=cut_places)
def test_a_file_comes_back_however_it_is_cut(data: bytes, written: list[int], read: list[int]) -> None:
    ciphertext, described = seal(pieces_of(data, written))
    assert open_in(pieces_of(ciphertext, read), described) == data
    assert len(ciphertext) == len(data)


@given(data=st.binary(max_size=400), cuts=cut_places)
def test_nio_opens_what_we_seal(data: bytes, cuts: list[int]) -> None:
    ciphertext, described = seal(pieces_of(data, cuts))
    assert decrypt_attachment(ciphertext, described["key"]["k"], described["hashes"]["sha256"], described["iv"]) == data


@given(data=st.binary(max_size=400), cuts=cut_places)
def test_we_open_what_nio_seals(data: bytes, cuts: list[int]) -> None:
    ciphertext, described = encrypt_attachment(data)
    assert open_in(pieces_of(ciphertext, cuts), {**described, "url": MXC}) == data


def test_each_file_has_a_key_of_its_own_and_counts_from_zero() -> None:
    (first, one), (second, other) = seal([b"the same"]), seal([b"the same"])
    assert first != second
    assert one["key"]["k"] != other["key"]["k"]
    assert one["iv"] != other["iv"]
    assert base64.b64decode(one["iv"] + "==")[8:] == bytes(8)
    assert len(base64.b64decode(one["iv"] + "==")) == 16


def test_the_description_has_the_form_that_the_specification_asks_for() -> None:
    _, described = seal([b"x"])
    assert described["v"] == "v2"
    assert {**described["key"], "k": None} == {
        "kty": "oct",
        "alg": "A256CTR",
        "ext": True,
        "key_ops": ["encrypt", "decrypt"],
        "k": None,
    }
    assert not any("=" in text for text in (described["key"]["k"], described["iv"], described["hashes"]["sha256"]))
    assert not set(described["key"]["k"]) & set("+/")


def test_padding_and_either_alphabet_are_understood() -> None:
    ciphertext, described = seal([b"some data"])
    described["iv"] += "=="
    described["hashes"]["sha256"] = described["hashes"]["sha256"].replace("+", "-").replace("/", "_") + "="
    described["key"]["k"] = described["key"]["k"].replace("-", "+").replace("_", "/")
    assert open_in([ciphertext], described) == b"some data"


def changed(change: Callable[[dict[str, Any]], object]) -> object:
    _, described = seal([b"x"])
    return change(described)


HOSTILE: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("not_encrypted", lambda _: None),
    ("not_encrypted", lambda _: ["v2"]),
    ("not_encrypted", lambda _: "mxc://x/y"),
    ("bad_address", lambda file: {**file, "url": None}),
    ("bad_address", lambda file: {**file, "url": {"url": MXC}}),
    ("bad_address", lambda file: {**file, "url": "mxc://x/../../_matrix/client/v3/account/whoami"}),
    ("bad_address", lambda file: {**file, "url": "mxc://x/a?allow_remote=false"}),
    ("bad_address", lambda file: {**file, "url": "mxc://../a"}),
    ("bad_address", lambda file: {**file, "url": "https://x/y"}),
    ("bad_address", lambda file: {**file, "url": MXC + "\n"}),
    ("bad_version", lambda file: {**file, "v": "v1"}),
    ("bad_version", lambda file: {**file, "v": 2}),
    ("bad_version", lambda file: {key: value for key, value in file.items() if key != "v"}),
    ("bad_key", lambda file: {**file, "key": None}),
    ("bad_key", lambda file: {**file, "key": file["key"]["k"]}),
    ("bad_key", lambda file: {**file, "key": {**file["key"], "alg": "A128CTR"}}),
    ("bad_key", lambda file: {**file, "key": {**file["key"], "kty": ["oct"]}}),
    ("bad_key", lambda file: {**file, "key": {**file["key"], "k": "AAAA"}}),
    ("bad_key", lambda file: {**file, "key": {**file["key"], "k": "A" * 86}}),
    ("bad_key", lambda file: {**file, "key": {**file["key"], "k": "A" * 41}}),
    ("bad_key", lambda file: {**file, "key": {**file["key"], "k": "ä" * 43}}),
    ("bad_key", lambda file: {**file, "key": {**file["key"], "k": 7}}),
    ("bad_key", lambda file: {**file, "key": {**file["key"], "k": "A" * 1_000_000}}),
    ("bad_iv", lambda file: {**file, "iv": "AAAA"}),
    ("bad_iv", lambda file: {**file, "iv": 1}),
    ("bad_iv", lambda file: {**file, "iv": ""}),
    ("no_hash", lambda file: {**file, "hashes": None}),
    ("no_hash", lambda file: {**file, "hashes": {}}),
    ("no_hash", lambda file: {**file, "hashes": {"sha1": "A" * 27}}),
    ("no_hash", lambda file: {**file, "hashes": {"sha256": "A" * 42}}),
    ("no_hash", lambda file: {**file, "hashes": ["sha256"]}),
]


@pytest.mark.parametrize(("reason", "change"), HOSTILE)
def test_a_hostile_description_is_refused_with_its_reason(
    reason: str, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(FileUnreadable) as refused:
        EncryptedFile.from_content(changed(change))
    assert refused.value.reason == reason
    assert not refused.value.outage


@given(parts=st.dictionaries(st.sampled_from(["url", "v", "key", "iv", "hashes"]), json_values))
def test_whatever_stands_in_a_description_is_read_or_refused(parts: dict[str, object]) -> None:
    _, described = seal([b"x"])
    reasons: set[str] = set()
    try:
        EncryptedFile.from_content({**described, **parts})
    except FileUnreadable as refusal:
        reasons.add(refusal.reason)
    assert reasons <= {"bad_address", "bad_version", "bad_key", "bad_iv", "no_hash"}


def test_a_counter_that_would_overflow_is_noticed() -> None:
    """There clients differ: some carry into the random half, some begin again."""
    last = FileKey(bytes(32), bytes(8) + (2**64 - 2).to_bytes(8, "big"))
    assert last.lasts_for(32)
    assert not last.lasts_for(33)
    assert FileKey.fresh().lasts_for(2**40)


def test_a_key_is_not_shown() -> None:
    key = FileKey.fresh()
    assert repr(key) == "FileKey()"
