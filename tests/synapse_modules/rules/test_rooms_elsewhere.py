"""What counts of another server's events: the rules against a literal table, and against anything at all."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messenger_core.account_kinds import AccountKind, RoomKind
from messenger_core.people_names import reserved_names
from synapse_modules.rules.messages import SentEvent
from synapse_modules.rules.reach import Room
from synapse_modules.rules.rooms_elsewhere import (
    ForeignEvent,
    ForeignState,
    Verdict,
    has_broken_room,
    is_chat,
    is_plain_invitation,
    judge_event,
    may_be_entered,
    needs_members,
    shown_membership,
)

INSURED, PRACTICE, AGENT = AccountKind.INSURED, AccountKind.PRACTICE, AccountKind.AGENT
PERSON, SECOND, LOCAL_PRACTICE, OF_HOUSE = "@erika:hek", "@second:hek", "@praxis:hek", "@agent:hek"
PRAXIS, OTHER, GUEST, STRANGER = "@praxis:a", "@colleague:a", "@guest:kasse", "@stranger:x"
KINDS = {
    PERSON: INSURED, SECOND: INSURED, LOCAL_PRACTICE: PRACTICE, OF_HOUSE: AGENT,
    PRAXIS: PRACTICE, OTHER: PRACTICE, GUEST: INSURED,
}  # fmt: skip
CARE = Room("!r:a", RoomKind.CARE, PERSON)
MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}
HOUSE = reserved_names(["HEK", "HEK Service"])
CIPHERTEXT = MEGOLM | {"ciphertext": "AAAA", "sender_key": "k" * 43, "session_id": "s" * 43, "device_id": "d"}


def event(kind: str, content: Any, state_key: str | None = None, sender: str = PRAXIS, **more: Any) -> ForeignEvent:
    return ForeignEvent(
        kind,
        state_key,
        sender,
        content,
        KINDS.get(sender),
        target_kind=KINDS.get(state_key or ""),
        target_is_ours=(state_key or "").endswith(":hek"),
        **more,
    )


def judge(foreign: ForeignEvent, room: Room | None = CARE) -> str:
    return judge_event(foreign, room, now=0).value


# Whom an event with a membership concerns, and what becomes of it.
MEMBERS = {
    PERSON: "taken",
    SECOND: "breaks-room",
    LOCAL_PRACTICE: "taken",
    OF_HOUSE: "refused",
    "@nobody:hek": "refused",
    PRAXIS: "taken",
    OTHER: "taken",
    GUEST: "breaks-room",
    STRANGER: "breaks-room",
}


@pytest.mark.parametrize("target", MEMBERS)
@pytest.mark.parametrize("membership", ["join", "invite", "leave", "ban", "knock", "", None, ["join"]])
def test_who_may_be_in_a_chat(target: str, membership: Any) -> None:
    expected = {"join": MEMBERS[target], "invite": MEMBERS[target], "leave": "taken", "ban": "taken"}
    is_known = isinstance(membership, str)
    assert judge(event("m.room.member", {"membership": membership}, target, members=frozenset(MEMBERS))) == (
        expected.get(membership, "refused") if is_known else "refused"
    )


@pytest.mark.parametrize("target", [*MEMBERS, "@in clear:x"])
@pytest.mark.parametrize("membership", ["leave", "ban"])
def test_nobody_is_thrown_out_who_was_never_in(target: str, membership: str) -> None:
    """An address may be another insured person's, or words. While it is not known who was in, it is asked again."""
    told = {"membership": membership}
    assert needs_members("m.room.member", told)
    assert judge(event("m.room.member", told, target)) == "taken"
    for there in (frozenset[str](), frozenset({PRAXIS, PERSON})):
        expected = "taken" if target in there | {PERSON} else "refused"
        assert judge(event("m.room.member", told, target, members=there)) == expected


def test_it_is_asked_again_only_where_it_matters_who_was_in() -> None:
    for told in ({"membership": "join"}, {"membership": "invite"}, {"membership": ["ban"]}, {}):
        assert not needs_members("m.room.member", told)
    assert not needs_members("m.room.join_rules", {"membership": "ban"})
    assert needs_members("m.room.power_levels", {})


# Who sends a membership about whom, of a chat that is the guest's or the person's; and whether one of ours invited the
# sender. Whoever was asked comes in and writes; she brings nobody in.
BY_INSURED_PEOPLE: list[tuple[str, bool, str, str, str, str]] = [
    (GUEST, False, GUEST, "join", GUEST, "taken"),
    (GUEST, True, GUEST, "join", GUEST, "taken"),
    (PERSON, False, GUEST, "join", GUEST, "breaks-room"),
    (PERSON, True, GUEST, "join", GUEST, "taken"),
    (PERSON, True, GUEST, "invite", GUEST, "breaks-room"),
    (GUEST, False, GUEST, "invite", PRAXIS, "refused"),
    (GUEST, False, GUEST, "invite", LOCAL_PRACTICE, "refused"),
    (GUEST, False, GUEST, "invite", SECOND, "breaks-room"),
    (PERSON, True, GUEST, "invite", PERSON, "refused"),
    (GUEST, False, GUEST, "invite", STRANGER, "breaks-room"),
    (GUEST, False, PRAXIS, "invite", GUEST, "taken"),
    (PERSON, True, PRAXIS, "invite", GUEST, "breaks-room"),
    (PERSON, True, PRAXIS, "join", GUEST, "breaks-room"),
    (GUEST, False, GUEST, "leave", GUEST, "taken"),
]


@pytest.mark.parametrize(("whose", "asked", "sender", "membership", "target", "expected"), BY_INSURED_PEOPLE)
def test_who_is_insured_elsewhere_comes_in_if_one_of_ours_asked_her(
    whose: str, asked: bool, sender: str, membership: str, target: str, expected: str
) -> None:
    room = Room("!r:hek", RoomKind.CARE, whose)
    told = event("m.room.member", {"membership": membership}, target, sender=sender, sender_is_asked=asked)
    assert judge(told, room) == expected


@pytest.mark.parametrize(("whose", "asked", "expected"), [
    (GUEST, False, "taken"), (PERSON, True, "taken"), (PERSON, False, "refused"),
])  # fmt: skip
def test_who_is_insured_elsewhere_writes_if_one_of_ours_asked_her(whose: str, asked: bool, expected: str) -> None:
    for kind in (RoomKind.REQUEST, RoomKind.CARE):
        room = Room("!r:hek", kind, whose)
        assert judge(event("m.room.encrypted", CIPHERTEXT, sender=GUEST, sender_is_asked=asked), room) == expected
        assert judge(event("m.room.message", {}, sender=GUEST, sender_is_asked=asked), room) == "refused"
        state = event("m.room.encryption", MEGOLM, "", sender=GUEST, sender_is_asked=asked)
        assert judge(state, room) == "refused"


@pytest.mark.parametrize("door", ["third_party_invite", "join_authorised_via_users_server"])
def test_no_side_door_leads_in(door: str) -> None:
    content = {"membership": "join", door: "@erika:hek"}
    assert judge(event("m.room.member", content, OTHER, sender=OTHER)) == "refused"


STATES: list[tuple[str, Any, str]] = [
    ("m.room.encryption", MEGOLM, "taken"),
    ("m.room.encryption", MEGOLM | {"rotation_period_ms": 604_800_000, "rotation_period_msgs": 100}, "taken"),
    ("m.room.encryption", MEGOLM | {"rotation_period_msgs": 101}, "breaks-room"),
    ("m.room.encryption", MEGOLM | {"rotation_period_ms": "100"}, "breaks-room"),
    ("m.room.encryption", MEGOLM | {"rotation_period_ms": True}, "breaks-room"),
    ("m.room.encryption", MEGOLM | {"note": "in clear"}, "breaks-room"),
    ("m.room.encryption", {}, "breaks-room"),
    ("m.room.join_rules", {"join_rule": "invite"}, "taken"),
    ("m.room.join_rules", {"join_rule": "public"}, "breaks-room"),
    ("m.room.join_rules", {"join_rule": "knock"}, "breaks-room"),
    ("m.room.join_rules", {"join_rule": "restricted", "allow": []}, "breaks-room"),
    ("m.room.join_rules", {}, "breaks-room"),
    ("m.room.history_visibility", {"history_visibility": "invited"}, "taken"),
    ("m.room.history_visibility", {"history_visibility": "joined"}, "taken"),
    ("m.room.history_visibility", {"history_visibility": "shared"}, "breaks-room"),
    ("m.room.history_visibility", {"history_visibility": "world_readable"}, "breaks-room"),
    ("m.room.history_visibility", {"history_visibility": ["invited"]}, "breaks-room"),
    ("m.room.tombstone", {"body": "moved", "replacement_room": "!b:a"}, "breaks-room"),
    ("m.room.power_levels", {"users": {PRAXIS: 100}}, "taken"),
    ("m.room.power_levels", {"events": {"m.room.name": 50, "im.vector.modular.widgets": 50}, "invite": 50}, "taken"),
    ("m.room.power_levels", {"notifications": {"room": 50}, "users_default": 0}, "taken"),
    ("m.room.power_levels", {"events": {"in.clear": 50}}, "breaks-room"),
    ("m.room.power_levels", {"notifications": {"in clear": 50}}, "breaks-room"),
    ("m.room.power_levels", {"in clear": 50}, "breaks-room"),
    ("m.room.power_levels", {"invite": "in clear"}, "breaks-room"),
    ("m.room.power_levels", {"users": {PRAXIS: "in clear"}}, "breaks-room"),
    ("m.room.power_levels", {"users": ["in clear"]}, "breaks-room"),
    ("m.room.power_levels", {"events_default": 50}, "breaks-room"),
    ("m.room.power_levels", {"users_default": -1}, "breaks-room"),
    ("m.room.power_levels", {"events_default": 50, "users_default": 50}, "taken"),
    ("m.room.power_levels", {"events_default": 50, "users_default": 50, "users": {PERSON: 0}}, "breaks-room"),
    ("m.room.power_levels", {"events": {"m.room.redaction": 100}}, "breaks-room"),
    ("m.room.power_levels", {"events": {"m.room.redaction": 100}, "users": {PERSON: 100}}, "breaks-room"),
    ("m.room.power_levels", {"events": {"m.room.encrypted": 1}}, "breaks-room"),
    ("m.room.power_levels", {"events": {"m.reaction": 1}}, "breaks-room"),
    ("m.room.power_levels", {"events": {"m.room.redaction": 0, "m.reaction": -1}}, "taken"),
    ("m.room.power_levels", {"redact": 100, "state_default": 100, "events": {"m.room.message": 100}}, "taken"),
    ("m.room.guest_access", {"guest_access": "forbidden"}, "taken"),
    ("m.room.guest_access", {"guest_access": "forbidden", "note": "in clear"}, "refused"),
    ("m.room.guest_access", {"guest_access": "can_join"}, "refused"),
    ("m.room.name", {"name": "in clear"}, "refused"),
    ("m.room.topic", {"topic": "in clear"}, "refused"),
    ("m.room.avatar", {"url": "mxc://a/b"}, "refused"),
    ("m.room.canonical_alias", {"alias": "#in-clear:a"}, "refused"),
    ("m.room.server_acl", {"allow": ["*"]}, "refused"),
    ("m.room.third_party_invite", {"display_name": "in clear"}, "refused"),
    ("m.room.pinned_events", {"pinned": []}, "refused"),
    ("m.space.child", {"via": ["a"]}, "refused"),
    ("de.gematik.tim.room.name", {"name": ""}, "taken"),
    ("de.gematik.tim.room.name", {"name": "in clear"}, "refused"),
    ("org.example.whatever", {}, "refused"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "content", "expected"), STATES)
def test_what_state_counts(kind: str, content: Any, expected: str) -> None:
    assert judge(event(kind, content, "")) == expected
    assert judge(event(kind, content, "in clear")) == "refused", "a state key is readable, too"
    assert judge(event(kind, content, "", sender=GUEST)) == "refused"
    assert judge(event(kind, content, "", sender=STRANGER)) == "refused"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (PRAXIS, "taken"),
        (PERSON, "taken"),
        (OTHER, "breaks-room"),
        (SECOND, "breaks-room"),
        ("@in clear:x", "breaks-room"),
    ],
)
def test_power_is_given_to_those_alone_who_were_in(named: str, expected: str) -> None:
    levels = {"users": {PRAXIS: 100, named: 1}}
    assert judge(event("m.room.power_levels", levels, "")) == "taken", "it is asked again"
    assert judge(event("m.room.power_levels", levels, "", members=frozenset({PRAXIS}))) == expected


@pytest.mark.parametrize(("kind", "content", "expected"), STATES)
def test_a_room_is_broken_by_what_must_hold_even_if_only_the_bare_event_is_left(
    kind: str, content: Any, expected: str
) -> None:
    must_hold = {"encryption", "join_rules", "history_visibility", "power_levels", "tombstone"}
    refused = event(kind, content, "")
    room = Room("!r:a", RoomKind.CARE, PERSON)
    is_broken = has_broken_room(refused, room, now=0)
    assert is_broken is (expected == "breaks-room" or kind.removeprefix("m.room.") in must_hold)
    assert not has_broken_room(event(kind, content, "", sender=STRANGER), room, now=0)


def test_messages_are_ciphertext_reactions_and_deletions_of_ones_own() -> None:
    own, others = SentEvent(PRAXIS, is_state=False, sent_at=0), SentEvent(PERSON, is_state=False, sent_at=0)
    assert judge(event("m.room.encrypted", CIPHERTEXT)) == "taken"
    assert judge(event("m.room.encrypted", CIPHERTEXT), Room("!r:a", RoomKind.REQUEST, PERSON)) == "taken"
    assert judge(event("m.room.message", {"body": "in clear"})) == "refused"
    assert judge(event("m.room.redaction", {}, deletes=own)) == "taken"
    assert judge(event("m.room.redaction", {"reason": "in clear"}, deletes=own)) == "refused"
    for target in (others, None, SentEvent(PRAXIS, is_state=True, sent_at=0)):
        assert judge(event("m.room.redaction", {}, deletes=target)) == "refused"


def test_what_was_deleted_on_its_server_comes_empty() -> None:
    assert judge(event("m.room.encrypted", {})) == judge(event("m.reaction", {})) == "taken"
    assert judge(event("org.example.words", {})) == "refused"
    assert judge(event("m.room.encrypted", {}, sender=GUEST)) == "refused"


@pytest.mark.parametrize("kind", [RoomKind.SUPPORT, RoomKind.TEAM, RoomKind.SERVICE, None])
def test_nothing_of_another_server_counts_in_rooms_that_are_no_chats(kind: RoomKind | None) -> None:
    room = None if kind is None else Room("!r:hek", kind, PERSON)
    assert judge(event("m.room.encrypted", CIPHERTEXT), room) == "refused"
    assert judge(event("m.room.member", {"membership": "join"}, PRAXIS), room) == "refused"


@pytest.mark.parametrize("target", [PERSON, LOCAL_PRACTICE])
def test_an_invitation_of_ours_counts_if_she_admits_it_and_it_says_nothing_else(target: str) -> None:
    plain = {"membership": "invite", "is_direct": True}
    assert judge(event("m.room.member", plain, target)) == "taken"
    assert judge(event("m.room.member", plain, target, is_admitted=False)) == "refused"
    assert judge(event("m.room.member", plain, SECOND, is_admitted=False)) == "breaks-room"
    for words in ({"reason": "in clear"}, {"is_direct": "in clear"}, {"displayname": "in clear"}):
        assert judge(event("m.room.member", plain | words, target)) == "refused"
        assert judge(event("m.room.member", plain | words, OTHER)) == "taken", "it is shown without the words"


def test_an_invitation_is_plain_or_not() -> None:
    assert is_plain_invitation({"membership": "invite"})
    assert is_plain_invitation({"membership": "invite", "is_direct": True})
    assert not is_plain_invitation({"membership": "join"})
    for words in ({"is_direct": "in clear"}, {"reason": "in clear"}, {"displayname": "in clear"}):
        assert not is_plain_invitation({"membership": "invite"} | words)


@pytest.mark.parametrize("membership", ["invite", "leave", "ban", "join"])
def test_a_membership_is_shown_without_words(membership: str) -> None:
    words = {"reason": "in clear", "note": 1, "avatar_url": "mxc://a/in-clear", "is_direct": "in clear"}
    assert shown_membership({"membership": membership} | words, None, HOUSE) == {"membership": membership}


@pytest.mark.parametrize(
    ("said", "known", "shown"),
    [
        ("Praxis Dr. Müller-Öz & Partner (Köln)", None, "Praxis Dr. Müller-Öz & Partner (Köln)"),
        ("Something else", "Praxis", "Praxis"),
        (None, "Praxis", "Praxis"),
        ("Praxis", "", None),
        (None, None, None),
        ("", None, None),
        (["in clear"], None, None),
        ("https://in.clear", None, None),
        ("in\nclear", None, None),
        ("x" * 150, None, "x" * 150),
        ("x" * 151, None, None),
        ("HEK", None, None),
        ("HEK Service", None, None),
        ("\u041dEK", None, None),
        ("H\u3164EK", None, None),
        ("Praxis\u115f Kopf", None, None),
        ("Praxis \u202eKopf", None, None),
        ("Praxis Hekla", None, "Praxis Hekla"),
    ],
)
def test_a_member_keeps_the_name_that_she_came_with(said: Any, known: str | None, shown: str | None) -> None:
    told = {"membership": "join"} | ({} if said is None else {"displayname": said})
    expected = {"membership": "join"} | ({} if shown is None else {"displayname": shown})
    assert shown_membership(told, known, HOUSE) == expected
    assert shown_membership(told | {"membership": "leave"}, known, HOUSE) == {"membership": "leave"}


def state(kind: str, content: Any, state_key: str = "") -> ForeignState:
    return ForeignState(kind, state_key, content, PRAXIS, KINDS.get(state_key))


def whole(**changed: Any) -> list[ForeignState]:
    content: dict[str, Any] = {
        "create": {"room_version": "10"},
        "join_rules": {"join_rule": "invite"},
        "history_visibility": {"history_visibility": "invited"},
        "encryption": MEGOLM,
    } | changed
    events = [state(f"m.room.{name}", value) for name, value in content.items() if value is not None]
    return [*events, member(PRAXIS, "join"), member(PERSON, "invite")]


def member(user_id: str, membership: str) -> ForeignState:
    return state("m.room.member", {"membership": membership}, user_id)


def test_a_chat_is_entered_and_more_than_one_practice_may_be_there() -> None:
    assert is_chat("10", whole(), PERSON)
    assert is_chat("10", [*whole(), member(OTHER, "join"), member(LOCAL_PRACTICE, "invite")], PERSON)
    assert is_chat("10", [*whole(), member(OTHER, "leave")], PERSON)


@pytest.mark.parametrize(
    ("user_id", "membership"),
    list(
        itertools.product(
            [SECOND, GUEST, STRANGER, OF_HOUSE, "@nobody:hek", "in clear"],
            ["join", "invite", "leave", "ban", "knock", ""],
        )
    ),
)
def test_a_room_in_which_anybody_else_is_or_was_is_no_chat(user_id: str, membership: str) -> None:
    assert not is_chat("10", [*whole(), member(user_id, membership)], PERSON)


def test_a_room_without_a_practice_is_no_chat() -> None:
    alone = [one for one in whole() if one.state_key != PRAXIS]
    assert not is_chat("10", alone, PERSON)
    for membership in ("invite", "leave", "ban"):
        assert not is_chat("10", [*alone, member(PRAXIS, membership)], PERSON)


@pytest.mark.parametrize(
    "changed",
    [
        {"create": None},
        {"create": {"type": "m.space"}},
        {"create": {"predecessor": {"room_id": "!old:a"}}},
        {"create": {"additional_creators": [GUEST]}},
        {"join_rules": None},
        {"join_rules": {"join_rule": "knock"}},
        {"history_visibility": None},
        {"history_visibility": {"history_visibility": "shared"}},
        {"encryption": None},
        {"encryption": {"algorithm": "m.none"}},
    ],
)
def test_a_room_of_another_form_is_no_chat(changed: dict[str, Any]) -> None:
    assert not is_chat("10", whole(**changed), PERSON)


@pytest.mark.parametrize(
    ("version", "allowed"),
    [("1", False), ("8", False), ("9", True), ("10", True), ("11", True), ("12", True), ("x", False)],
)  # fmt: skip
def test_which_versions_are_entered(version: str, allowed: bool) -> None:
    """A_26202, A_26203."""
    assert may_be_entered(version, whole()) is allowed


def test_the_types_of_gematiks_rooms_are_entered() -> None:
    for kind in ("de.gematik.tim.roomtype.default.v1", "de.gematik.tim.roomtype.default.v2"):
        assert may_be_entered("10", whole(create={"type": kind}))


_TYPES = st.sampled_from(sorted({kind for kind, _, _ in STATES})) | st.sampled_from(
    ["m.room.member", "m.room.create", "m.room.encrypted", "m.room.message", "m.room.redaction", "m.reaction"]
)
_KEYS = st.sampled_from(
    [
        "membership",
        "join_rule",
        "history_visibility",
        "algorithm",
        "type",
        "guest_access",
        "m.relates_to",
        "reason",
        "name",
    ]
)
_ANYTHING: list[Any] = [None, True, 7, -1, "", "in clear", [], ["join"], {}, {"rel_type": 7}, [{"a": []}]]
_VALUES = st.sampled_from(
    ["join", "invite", "leave", "invited", "public", "m.megolm.v1.aes-sha2", "forbidden", *_ANYTHING]
)
_CONTENT = st.dictionaries(_KEYS, _VALUES, max_size=4)
_USERS = st.sampled_from([*KINDS, STRANGER, "", "no user"])


@settings(max_examples=100)
@given(_TYPES, _CONTENT, st.none() | _USERS, _USERS)
def test_whatever_is_sent_it_is_judged(kind: str, content: dict[str, Any], state_key: str | None, sender: str) -> None:
    """And whoever is neither a practice of the federation nor the room's person is never heard, memberships aside."""
    verdict = judge_event(event(kind, content, state_key, sender), CARE, now=0)
    if KINDS.get(sender) is not PRACTICE and sender != PERSON and kind != "m.room.member":
        assert verdict is Verdict.REFUSED
    if verdict is Verdict.TAKEN and kind != "m.room.member" and state_key is None:
        assert kind in {"m.room.encrypted", "m.reaction", "m.room.redaction"}
    assert needs_members(kind, content) in {True, False}
    assert shown_membership(content, None, HOUSE).keys() <= {"membership", "displayname"}
    is_plain_invitation(content)


_ROOM = st.lists(
    st.builds(ForeignState, _TYPES, _USERS, _CONTENT, _USERS, st.none() | st.sampled_from(AccountKind)), max_size=6
)


@settings(max_examples=100)
@given(st.text(max_size=3), _ROOM)
def test_whatever_a_room_is_made_of_it_is_entered_or_not(version: str, states: list[ForeignState]) -> None:
    is_chat("10", states, PERSON)
    may_be_entered(version, states)
