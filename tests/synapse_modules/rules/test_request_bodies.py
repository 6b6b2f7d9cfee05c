"""What Synapse relies on in a body is there, by example; honest bodies pass and nothing raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_modules.rules.request_bodies import is_readable, is_text

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_CLIENT = "/_matrix/client/"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("v3/rooms/!r:t/invite", {"user_id": "@praxis:t"}),
        ("v3/rooms/!r:t/invite", {"medium": "email"}),
        ("r0/rooms/!r:t/read_markers", {"m.fully_read": "$e", "m.read": None}),
        ("v3/rooms/!r:t/typing/@erika:t", {"typing": True, "timeout": 30000}),
        ("v3/user_directory/search", {"search_term": "hausarzt", "limit": 10}),
        ("v3/keys/claim", {"one_time_keys": {"@praxis:t": {"PHONE": "signed_curve25519"}}}),
        ("unstable/keys/claim", {"one_time_keys": {"@praxis:t": {"PHONE": ["signed_curve25519"]}}}),
        ("v3/keys/upload/PHONE", {"device_keys": {}, "one_time_keys": {}}),
        ("v3/keys/signatures/upload", {"@praxis:t": {"PHONE": {"keys": {}}}}),
        ("v3/pushers/set", {"kind": None, "app_id": "app", "pushkey": "key"}),
        ("v3/search", {"search_categories": {"room_events": {}}}),
        ("v3/login", {"type": "m.login.token", "token": "t", "device_id": "PRAXIS-1_a"}),
        ("r0/login", {"type": "m.login.token", "token": "t"}),
        ("v3/createRoom", 5),
    ],
)
def test_what_clients_send_is_readable(path: str, body: object) -> None:
    assert is_readable(_CLIENT + path, body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("v3/rooms/!r:t/invite", {"user_id": 5}),
        ("v3/rooms/!r:t/send/m.room.member/1", {"membership": "join"}),
        ("v3/user_directory/search", {"limit": "10"}),
        ("v3/user_directory/search", {"limit": True}),
        ("r0/keys/claim", {"one_time_keys": {"@praxis:t": []}}),
        ("v3/pushers/set", {"app_id": None}),
        ("v3/login", {"type": "m.login.token", "token": "t", "device_id": "Mein Befund"}),
    ],
)
def test_what_synapse_would_fail_on_is_not(path: str, body: object) -> None:
    assert not is_readable(_CLIENT + path, body)
    assert is_readable("/elsewhere/" + path, body)


@given(st.text() | st.sampled_from(["v3/keys/claim", "v3/search", "v3/keys/signatures/upload"]), _JSON)
def test_nothing_raises(path: str, body: Any) -> None:
    assert is_readable(_CLIENT + path, body) in {True, False}
    assert is_text(body)


@pytest.mark.parametrize("body", ["\ud800", ["\udfff"], {"\ud800": 1}, {"a": [{"b": "x\ud83d"}]}])
def test_half_a_letter_is_no_text(body: object) -> None:
    assert not is_text(body)
