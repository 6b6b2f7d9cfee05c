"""The form of what other servers send of rooms: what honest servers send passes, and nothing beside it does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.people_names import reserved_names
from synapse_modules.rules import event_form

_ME, _HER = "@praxis:practice.test", "@erika:hek.test"
_HOUSE = reserved_names(["HEK", "HEK Service"])
_ID = "$" + "A" * 43
_SIGNED = {"practice.test": {"ed25519:1": "C" * 86}}
EVENT: dict[str, Any] = {
    "type": "m.room.encrypted",
    "room_id": "!room:practice.test",
    "sender": _ME,
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
    "origin_server_ts": 1,
    "depth": 7,
    "prev_events": [_ID],
    "auth_events": [_ID, _ID],
    "hashes": {"sha256": "x"},
    "signatures": _SIGNED,
}
_INVITATION = EVENT | {"type": "m.room.member", "state_key": _HER, "content": {"membership": "invite"}}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"unsigned": {"age": 3}},
        {"origin": "practice.test"},
        {"prev_state": []},
        {"state_key": "", "type": "m.room.join_rules"},
        {"type": "m.room.redaction", "redacts": _ID},
    ],
    ids=["as Synapse has it", "unsigned", "origin", "prev_state", "a state", "a deletion"],
)
def test_what_honest_servers_send_is_plain(more: dict[str, Any]) -> None:
    assert event_form.is_event(EVENT | more)
    assert event_form.is_plain(EVENT | more)


def test_a_room_that_is_named_by_its_first_event_is_plain() -> None:
    first = {key: value for key, value in EVENT.items() if key != "room_id"}
    assert event_form.is_event(first)
    assert event_form.is_plain(first)


@pytest.mark.parametrize(
    "more",
    [
        {"words": "in clear"},
        {"org.matrix.msc9999.words": "in clear"},
        {"membership": "in clear"},
        {"event_id": "in clear"},
        {"origin": "words in clear"},
        {"origin": ["words in clear"]},
        {"prev_state": ["words in clear"]},
        {"redacts": _ID},
        {"type": "m.room.redaction", "redacts": "words in clear"},
        {"type": "m.room.redaction", "redacts": {}},
    ],
)
def test_what_says_more_is_not_plain(more: dict[str, Any]) -> None:
    assert not event_form.is_plain(EVENT | more)


def test_what_a_server_on_the_way_wrote_beside_it_is_left_out() -> None:
    noted = EVENT | {"age_ts": "words", "outlier": True, "destinations": ["words"], "age": 3}
    assert event_form.without_notes(noted) == EVENT


@pytest.mark.parametrize(
    "event",
    [
        None,
        "text",
        [],
        *({key: value for key, value in EVENT.items() if key != gone} for gone in EVENT if gone != "room_id"),
        *(EVENT | {key: ["x"]} for key in ("type", "sender", "room_id", "state_key", "content", "depth", "signatures")),
        EVENT | {"signatures": {"practice.test": "x"}},
        EVENT | {"prev_events": "x"},
        EVENT | {"auth_events": [[]]},
        EVENT | {"depth": True},
    ],
)
def test_what_is_no_event_is_dropped_and_takes_nothing_along(event: object) -> None:
    moment = {"edu_type": "m.receipt", "content": {}}
    said = {"pdus": [event, EVENT], "edus": [event, moment, {"edu_type": [], "content": {}}, {"edu_type": "x"}]}
    assert event_form.transaction(said) == {"pdus": [EVENT], "edus": [moment]}
    assert event_form.invitation({"room_version": "10", "event": event}, _HOUSE) is None


@pytest.mark.parametrize("content", [{}, {"room_id": ""}, {"room_id": []}, {"room_id": "!a\x00:b"}])
def test_typing_in_no_room_is_dropped(content: dict[str, Any]) -> None:
    assert event_form.transaction({"edus": [{"edu_type": "m.typing", "content": content}]}) == {"pdus": [], "edus": []}


def test_a_membership_in_a_room_of_ours_says_nothing_else() -> None:
    join = EVENT | {"type": "m.room.member", "state_key": _ME, "content": {"membership": "join"}}
    assert event_form.membership(join | {"age_ts": "words"}) == join
    assert event_form.membership(join | {"words": "words"}) is None
    assert event_form.membership(join | {"content": {"join_authorised_via_users_server": []}}) is None
    assert event_form.membership([]) is None


def test_a_question_for_missed_events_names_events() -> None:
    assert event_form.asks_for_events({"earliest_events": [], "latest_events": [_ID], "limit": 10, "min_depth": 0})
    wrong: list[dict[str, Any]] = [
        {"limit": "x"},
        {"latest_events": {}},
        {"earliest_events": [[]]},
        {"latest_events": ["x"]},
    ]
    for said in wrong:
        assert not event_form.asks_for_events(said)


def test_a_transaction_of_no_lists_is_none() -> None:
    assert event_form.transaction({"pdus": {}}) is None
    assert event_form.transaction({"edus": "x"}) is None
    assert event_form.transaction({}) == {"pdus": [], "edus": []}


def _state(kind: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": kind, "state_key": "", "sender": _ME, "content": content} | more


_CREATE = _state("m.room.create", {"creator": _ME, "room_version": "10"})
_NAMED = _state("m.room.member", {"membership": "join", "displayname": "Praxis Sommer"}, state_key=_ME)


def test_an_invitation_shows_what_the_room_is_and_who_asks() -> None:
    usual = [_CREATE, _state("m.room.join_rules", {}), _state("m.room.encryption", {}), _NAMED]
    assert event_form.shown_before_joining(usual, _ME, _HOUSE) == usual
    whole = [EVENT | one for one in usual]
    assert event_form.shown_before_joining(whole, _ME, _HOUSE) == whole


@pytest.mark.parametrize(
    "event",
    [
        None,
        "text",
        _state("m.room.name", {"name": "words"}),
        _state("m.room.topic", {"topic": "words"}),
        _state("org.example.words", {"words": "words"}),
        _state("m.room.create", {}, state_key="words"),
        _state("m.room.create", {}, state_key=[]),
        _state("m.room.create", {}, sender="@words in clear:x"),
        _state("m.room.create", {}, sender=7),
        _state("m.room.create", ["words"]),  # type: ignore[arg-type]
        _NAMED | {"state_key": "@mallory:hek.test"},
        _NAMED | {"content": {"membership": "words"}},
        _NAMED | {"content": {"membership": "join", "displayname": ["words"]}},
        _NAMED | {"content": {"membership": "join", "displayname": "words" * 100}},
        _NAMED | {"content": {"membership": "join", "displayname": "HEK Service"}},
        _NAMED | {"content": {"membership": "join", "displayname": "Praxis\u115f"}},
    ],
)
def test_an_invitation_shows_nothing_else(event: object) -> None:
    assert event_form.shown_before_joining([_CREATE, event], _ME, _HOUSE) == [_CREATE]


def test_what_an_invitation_shows_is_bare_when_anything_has_to_be_left_out() -> None:
    pictured = EVENT | _NAMED | {"content": _NAMED["content"] | {"avatar_url": "mxc://x/words"}}
    assert event_form.shown_before_joining([EVENT | _CREATE, pictured], _ME, _HOUSE) == [_CREATE, _NAMED]
    assert event_form.shown_before_joining([_CREATE | {"words": "words"}], _ME, _HOUSE) == [_CREATE]


def test_an_invitation_is_taken_without_what_stands_beside_it() -> None:
    said = {
        "room_version": "10",
        "event": _INVITATION | {"unsigned": {"words": "words"}, "age_ts": "words"},
        "invite_room_state": [_CREATE, _state("m.room.name", {"name": "words"})],
        "words": "words",
    }
    assert event_form.invitation(said, _HOUSE) == {
        "room_version": "10",
        "event": _INVITATION,
        "invite_room_state": [_CREATE],
    }
    assert event_form.invitation(said | {"event": _INVITATION | {"words": "words"}}, _HOUSE) is None
    assert event_form.invitation(said | {"room_version": ["10"]}, _HOUSE) is None


def test_ones_own_membership_says_nothing_of_the_other_servers() -> None:
    template = EVENT | {
        "type": "org.example.words",
        "sender": "@mallory:x",
        "state_key": "words",
        "content": {"membership": "ban", "reason": "words"},
        "unsigned": {"words": "words"},
        "origin_server_ts": 99,
        "words": "words",
    }
    made = event_form.own_membership(
        {"room_version": "10", "event": template}, room_id="!room:practice.test", user_id=_HER, membership="join"
    )
    assert made == {
        "room_version": "10",
        "event": {
            "type": "m.room.member",
            "room_id": "!room:practice.test",
            "sender": _HER,
            "state_key": _HER,
            "content": {"membership": "join"},
            "depth": 7,
            "prev_events": [_ID],
            "auth_events": [_ID, _ID],
        },
    }


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        EVENT | {"depth": "7"},
        EVENT | {"depth": -1},
        EVENT | {"depth": 2**60},
        EVENT | {"prev_events": ["words in clear"]},
        EVENT | {"auth_events": [_ID] * 21},
        EVENT | {"auth_events": {}},
    ],
)
def test_a_template_that_cannot_be_read_is_none(event: object) -> None:
    said = {"room_version": "10", "event": event}
    assert event_form.own_membership(said, room_id="!r:x", user_id=_HER, membership="join") is None
    assert event_form.own_membership(event, room_id="!r:x", user_id=_HER, membership="join") is None


_NAMES = st.sampled_from(
    [*EVENT, "pdus", "edus", "edu_type", "event", "room_version", "invite_room_state", "state_key", "redacts", "origin"]
)
_VALUES = st.sampled_from([EVENT, _INVITATION, _CREATE, _NAMED, _ME, _ID, "10", "m.room.member", 7, [], {}])
_JSON = st.recursive(
    st.none() | _VALUES | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.text(max_size=4), inner, max_size=6),
    max_leaves=14,
)


@given(_JSON, st.dictionaries(_NAMES, _JSON))
def test_whatever_is_sent_is_read_or_not(said: Any, content: dict[str, Any]) -> None:
    event_form.is_plain(content)
    event_form.is_event(said)
    event_form.invitation(said, _HOUSE)
    event_form.transaction(content)
    event_form.own_membership(said, room_id="!r:x", user_id=_HER, membership="leave")
    for event in event_form.shown_before_joining(said, _ME, _HOUSE):
        assert event["type"] in {"m.room.create", "m.room.encryption", "m.room.join_rules", "m.room.member"}
