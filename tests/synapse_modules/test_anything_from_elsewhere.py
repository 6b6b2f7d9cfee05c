"""Whatever a listed server sends or answers over real HTTP, it is never our server's fault, nor our people's loss."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import add_hashes_and_signatures

from synapse_modules.adapters.federated_request_gate import TAKEN_EDUS
from tests.clients.hostile_server import HostileRoom, HostileServer, event_id_of
from tests.synapse_modules.federation import Federation
from tests.synapse_modules.homeserver_under_test import CIPHERTEXT, Homeserver, SignedIn
from tests.synapse_modules.test_federated_chats import entered

_V1, _V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
_OURS, _THEIRS = "@erika:hek.test", "@praxis:practice.test"
# What the rules and Synapse look for, so that what is made up gets past the first look.
_WORDS = st.sampled_from(
    [
        "type", "state_key", "sender", "content", "room_version", "creator", "room_id", "membership", "join", "invite",
        "leave", "displayname", "reason", "third_party_invite", "signed", "join_authorised_via_users_server", "event",
        "algorithm", "m.megolm.v1.aes-sha2", "ciphertext", "m.relates_to", "rel_type", "event_id", "redacts", "users",
        "events", "notifications", "join_rule", "history_visibility", "guest_access", "device_keys", "master_keys",
        "self_signing_keys", "one_time_keys", "devices", "device_id", "stream_id", "prev_id", "keys", "unsigned",
        "signatures", "hashes", "user_id", "typing", "messages", "message_id", "push", "m.read", "data", "thread_id",
        "event_ids", "ts", "depth", "prev_events", "auth_events", "invite_room_state", "m.room.create", "state",
        "m.room.member", "m.room.encryption", "m.room.encrypted", "m.room.join_rules", "m.room.name", "10", "12", "",
        "m.room.power_levels", "m.room.redaction", "m.room.tombstone", "m.room.history_visibility", _OURS, _THEIRS,
        "auth_chain", "servers_in_room", "members_omitted", "origin", "pdus", "edus", "edu_type", "avatar_url", "usage",
    ]
)  # fmt: skip
_LEAVES = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=12) | _WORDS
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS | st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)
_OBJECTS = st.dictionaries(_WORDS | st.text(max_size=6), _VALUES, max_size=5)
_KINDS = st.sampled_from(
    [
        "m.room.member", "m.room.create", "m.room.encryption", "m.room.encrypted", "m.room.join_rules", "m.reaction",
        "m.room.power_levels", "m.room.redaction", "m.room.history_visibility", "m.room.tombstone", "m.room.name",
    ]
)  # fmt: skip
_EVENTS = st.fixed_dictionaries(
    {"content": _OBJECTS},
    optional={
        "type": _KINDS,
        "state_key": st.just("") | _VALUES,
        "redacts": _VALUES,
        "unsigned": _VALUES,
        "depth": _VALUES,
        "auth_events": _VALUES,
        "prev_events": _VALUES,
        "sender": _VALUES,
        "room_id": _VALUES,
        "origin": _VALUES,
    },
)
_bounded = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@dataclass
class _Scene:
    """A chat of a person's with a practice of the hostile server, and one of hers that lies here."""

    federation: Federation
    person: SignedIn
    room: HostileRoom

    @property
    def hostile(self) -> HostileServer:
        return self.federation.hostile

    @property
    def ours(self) -> Homeserver:
        return self.federation.ours

    def pdu(self, room: HostileRoom, kind: str, said: dict[str, Any], **more: Any) -> dict[str, Any]:
        """An event that says something made up; as well signed as it can be."""
        pdu = room.make(kind, {}, **({"state_key": None, "sender": room.creator} | more)) | said
        try:
            add_hashes_and_signatures(
                KNOWN_ROOM_VERSIONS[room.version], pdu, self.hostile.server_name, self.hostile.signing_key
            )
        except Exception:
            # What no library signs is sent as it is.
            return pdu
        return pdu

    async def invited(self) -> HostileRoom:
        room = self.hostile.open_room(self.hostile.user(f"praxis-{secrets.token_hex(4)}"))
        status, answer = await room.invite(self.person.user_id)
        assert status == 200, answer
        return room

    async def asks(self, method: str, path: str, body: object | None = None) -> int:
        return (await self.ours.call(self.person, method, path, body))[0]


@pytest.fixture(scope="module")
def scene(federation: Federation) -> Iterator[_Scene]:
    async def make() -> _Scene:
        person = await federation.ours.new_person()
        return _Scene(federation, person, await entered(federation, person))

    made = asyncio.run(make())
    yield made
    # Whatever was made up, she has not lost her account, and other chats go on.
    assert asyncio.run(made.asks("GET", "/sync?timeout=0")) == 200


@_bounded
@given(said=_EVENTS, shown=st.lists(_OBJECTS | _VALUES, max_size=3) | _VALUES, version=st.just("10") | _VALUES)
@pytest.mark.parametrize("api", [_V1, _V2])
def test_an_invitation(scene: _Scene, api: str, said: dict[str, Any], shown: Any, version: Any) -> None:
    async def invite() -> tuple[int, object]:
        room = scene.hostile.open_room(scene.hostile.user("praxis"))
        said.setdefault("content", {})["membership"] = "invite"
        said.pop("type", None)
        pdu = scene.pdu(room, "m.room.member", said, state_key=scene.person.user_id)
        usual = [room.events[room.state[(kind, "")]] for kind in ("m.room.create", "m.room.encryption")]
        state = [*usual, *shown] if isinstance(shown, list) else shown
        body = {"room_version": version, "event": pdu, "invite_room_state": state} if api == _V2 else pdu
        try:
            event_id = event_id_of(pdu, "10")
        except Exception:
            # It has no id.
            event_id = "$" + "A" * 43
        path = f"{api}/invite/{quote(room.room_id, safe='')}/{quote(event_id, safe='')}"
        return await scene.hostile.request("PUT", path, body)

    status, answer = asyncio.run(invite())
    assert status < 500, answer


@_bounded
@given(said=st.lists(_EVENTS, max_size=3), garbage=st.lists(_VALUES, max_size=2), kind=_KINDS)
def test_events(scene: _Scene, said: list[dict[str, Any]], garbage: list[Any], kind: str) -> None:
    pdus = [scene.pdu(scene.room, one.pop("type", kind), one) for one in said]
    status, answer = asyncio.run(scene.hostile.transaction(pdus=[*pdus, *garbage]))
    assert status == 200, answer


@_bounded
@given(content=_OBJECTS | _VALUES, garbage=st.lists(_VALUES, max_size=2))
@pytest.mark.parametrize("kind", [*TAKEN_EDUS, "m.presence"])
def test_what_is_of_the_moment(scene: _Scene, kind: str, content: Any, garbage: list[Any]) -> None:
    edus = [{"edu_type": kind, "content": content}, *garbage]
    if isinstance(content, dict):
        known = {"user_id": scene.room.creator, "sender": scene.room.creator, "room_id": scene.room.room_id}
        edus.append({"edu_type": kind, "content": content | known})
    status, answer = asyncio.run(scene.hostile.transaction(edus=edus))
    assert status == 200, answer


@_bounded
@given(answer=_OBJECTS | _VALUES, user=st.dictionaries(_WORDS, _VALUES, max_size=3) | _VALUES)
@pytest.mark.parametrize("is_member", [False, True], ids=["invited", "member"])
def test_answers_about_people(scene: _Scene, is_member: bool, answer: Any, user: Any) -> None:
    async def ask() -> list[int]:
        room = scene.room if is_member else await scene.invited()
        asked = room.creator
        if isinstance(answer, dict):
            for key in ("device_keys", "one_time_keys", "master_keys"):
                answer[key] = {asked: user}
            answer.update({"stream_id": 1, "devices": [user]})
        for what in ("query", "claim", "devices", "profile"):
            scene.hostile.answers[what, asked] = answer
        return [
            await scene.asks("POST", "/keys/query", {"device_keys": {asked: []}}),
            await scene.asks("POST", "/keys/query", {"device_keys": {asked: ["PRAXIS"]}}),
            await scene.asks("POST", "/keys/claim", {"one_time_keys": {asked: {"PRAXIS": "signed_curve25519"}}}),
            await scene.asks("GET", f"/profile/{quote(asked)}"),
            await scene.asks("GET", f"/profile/{quote(asked)}/displayname"),
        ]

    everything, named, claimed, profile, name = asyncio.run(ask())
    assert (everything, claimed) == (200, 200)
    # Whoever asks for one device by its name is told by Synapse itself that a followed account has none of that name.
    assert named in {200, 404}
    assert {profile, name} <= {200, 502}


@_bounded
@given(said=st.lists(_EVENTS, min_size=1, max_size=3), kind=_KINDS)
def test_the_state_of_a_room_that_she_enters(scene: _Scene, said: list[dict[str, Any]], kind: str) -> None:
    async def enter() -> int:
        room = await scene.invited()
        for one in said:
            pdu = scene.pdu(room, one.pop("type", kind), one, state_key="")
            room.events["$" + secrets.token_urlsafe(32)] = pdu
            room.state[secrets.token_hex(4), ""] = next(reversed(room.events))
        return await scene.asks("POST", f"/rooms/{quote(room.room_id)}/join", {})

    assert asyncio.run(enter()) in {200, 403, 502}


@_bounded
@given(event=_EVENTS | _VALUES, answer=_OBJECTS | _VALUES, version=st.just("10") | _VALUES)
@pytest.mark.parametrize("is_whole", [False, True], ids=["answer", "event"])
def test_the_template_of_her_own_membership(
    scene: _Scene, is_whole: bool, event: Any, answer: Any, version: Any
) -> None:
    async def enter_and_leave() -> tuple[int, int]:
        room = await scene.invited()
        for what in ("join", "leave"):
            said = {"event": event, "room_version": version} if is_whole else answer
            scene.hostile.answers[what, room.room_id] = said
        path = f"/rooms/{quote(room.room_id)}"
        return await scene.asks("POST", f"{path}/join", {}), await scene.asks("POST", f"{path}/leave", {})

    joined, left = asyncio.run(enter_and_leave())
    assert joined in {200, 400, 403, 502}
    assert left == 200


@_bounded
@given(said=_EVENTS, body=_OBJECTS)
def test_joins_and_questions(scene: _Scene, said: dict[str, Any], body: dict[str, Any]) -> None:
    async def ask() -> list[int]:
        room = scene.room
        said.pop("type", None)
        pdu = scene.pdu(room, "m.room.member", said, state_key=room.creator)
        here, event_id = quote(room.room_id, safe=""), "%24" + "A" * 43
        requests = [
            *(("PUT", f"{_V2}/send_{what}/{here}/{event_id}", pdu) for what in ("join", "leave")),
            ("PUT", f"{_V1}/send_knock/{here}/{event_id}", pdu),
            ("PUT", f"{_V1}/exchange_third_party_invite/{here}", body),
            ("POST", f"{_V1}/user/keys/query", body),
            ("POST", f"{_V1}/user/keys/claim", body),
            ("POST", f"{_V1}/get_missing_events/{here}", body),
        ]
        return [(await scene.hostile.request(*one))[0] for one in requests]

    assert all(status < 500 for status in asyncio.run(ask()))


def test_a_chat_that_lies_here_goes_on(scene: _Scene) -> None:
    """After all of the above."""

    async def write() -> int:
        person, _, _, room = await scene.ours.care_room()
        return (await scene.ours.send(person, room, content=CIPHERTEXT))[0]

    assert asyncio.run(write()) == 200
