"""Stand-ins for what is outside retention: homeserver and bot by their contracts over HTTP, and a recording account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.http_service import TOKEN_PATH, GuardedRoutes, new_application
from messenger_core.matrix import Room, SendFailed, SentMessage
from messenger_core.problem import Problem, WireModel, parse_body
from messenger_core.service_auth.client import ServiceClient
from messenger_core.service_auth.keys import generate_private_key, parse_jwks, public_jwks, write_private_key
from messenger_core.service_auth.token_grant import Caller, Client, TokenAuthority
from sandbox.ports import reserve_port

KEY = generate_private_key()
HOMESERVER_TOKEN_PATH = "/_synapse/client/hek/oauth2/token"
_V1 = "/_synapse/client/hek/v1"


class _Retention:
    """Knows one client, with the scopes of the contract."""

    async def find_client(self, client_id: str) -> Client | None:
        scopes = frozenset({"insured:read", "account:events", "retention:act", "erasure:act"})
        return Client("retention", parse_jwks(public_jwks(KEY)), scopes) if client_id == "retention" else None


class _Unused:
    """Every assertion is new."""

    async def use_once(self, _issuer: str, _statement_id: str, _expires_at: int, _now: datetime) -> bool:
        return True


class _Act(WireModel):
    user_id: str
    room_ids: list[str]
    consent_event_id: str
    consented_at: int


class _Period(WireModel):
    user_id: str
    months: int | None


class _Lookup(WireModel):
    user_id: str


class _Erase(WireModel):
    room_id: str
    before: int
    media: list[str]


class _Before(WireModel):
    before: int


def _moment(request: web.Request, name: str) -> int:
    moment = datetime.fromisoformat(request.query[name])
    assert moment.tzinfo is not None
    return to_milliseconds(moment)


@dataclass
class HomeserverStandIn:
    """The homeserver's machine interface over a world of rooms.

    Attributes:
        idle: (person, room, last message).
        accounts: user id to (kind, locked).
        membership: (person, room) to join, leave or forgotten.
        written_since: rooms in which the person wrote after the consent.
        events: room to the moments of its messages.
        media: all files.
        undeletable: rooms or files that stay.
        erasures: each call for a room, and up to which moment it was.
        down: paths that answer 503.
        ends_on: user id to the announced day.
        changes: what happened to accounts, as (user id, what).
        chats: the chat that a change is about, by its number.
        changed_at: when a change happened, by its number; the number itself if nothing stands here.
    """

    idle: list[tuple[str, str, int]] = field(default_factory=list)
    accounts: dict[str, tuple[str, bool]] = field(default_factory=dict)
    membership: dict[tuple[str, str], str] = field(default_factory=dict)
    written_since: set[str] = field(default_factory=set)
    periods: dict[str, int | None] = field(default_factory=dict)
    consents: list[tuple[str, str, int]] = field(default_factory=list)
    events: dict[str, list[int]] = field(default_factory=dict)
    media: set[str] = field(default_factory=set)
    undeletable: set[str] = field(default_factory=set)
    erasures: list[tuple[str, int]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    ends_on: dict[str, str] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    chats: dict[int, str] = field(default_factory=dict)
    changed_at: dict[int, int] = field(default_factory=dict)
    page_size: int = 2

    def routes(self, routes: GuardedRoutes) -> None:
        for method, path, scope, handler in (
            ("GET", "care-rooms/idle", "retention:act", self._idle),
            ("POST", "care-rooms/leave", "retention:act", self._leave),
            ("POST", "care-rooms/forget", "retention:act", self._forget),
            ("PUT", "insured/retention", "retention:act", self._period),
            ("POST", "insured/lookup", "insured:read", self._lookup),
            ("POST", "erasures", "erasure:act", self._erase),
            ("GET", "changes", "account:events", self._changes),
        ):
            routes.add(method, f"{_V1}/{path}", scope, handler)

    def _check_up(self, request: web.Request) -> None:
        if request.path.removeprefix(f"{_V1}/") in self.down:
            raise Problem(503, "unavailable", "down")

    async def _idle(self, request: web.Request, _caller: Caller) -> web.Response:
        self._check_up(request)
        assert set(request.query) <= {"as_of", "page"}
        start = int(request.query.get("page", "0"))
        as_of = _moment(request, "as_of")
        due = [row for row in self.idle if row[2] < as_of]
        rooms = [
            {"user_id": user, "room_id": room, "last_message_at": at}
            for user, room, at in due[start : start + self.page_size]
        ]
        following = start + self.page_size
        return web.json_response({"rooms": rooms, "next": str(following) if following < len(due) else None})

    async def _lookup(self, request: web.Request, _caller: Caller) -> web.Response:
        user_id = parse_body(_Lookup, await request.read()).user_id
        if user_id not in self.accounts:
            raise Problem(404, "unknown-account", "no such account")
        kind, locked = self.accounts[user_id]
        kvnr = "A123456780" if kind == "insured" else None
        return web.json_response(
            {
                "user_id": user_id,
                "kind": kind,
                "display_name": "Erika",
                "kvnr": kvnr,
                "shard": 0,
                "locked": locked,
                "retention_months": 6,
                "membership_ends_on": self.ends_on.get(user_id),
            }
        )

    async def _changes(self, request: web.Request, _caller: Caller) -> web.Response:
        self._check_up(request)
        since = int(request.query["since"])
        rows = [
            {
                "version": version,
                "at": self.changed_at.get(version, version),
                "user_id": user_id,
                "kind": self.accounts[user_id][0],
                "what": what,
                "room_id": self.chats.get(version),
            }
            for version, (user_id, what) in enumerate(self.changes, 1)
            if version > since
        ]
        return web.json_response({"changes": rows, "next": max(since, len(self.changes))})

    async def _act(self, request: web.Request, expected: str, otherwise: str, then: str) -> web.Response:
        self._check_up(request)
        body = parse_body(_Act, await request.read())
        done, refused = [], []
        for room in body.room_ids:
            present = self.membership.get((body.user_id, room))
            if present != expected:
                refused.append({"room_id": room, "reason": "still-a-member" if present == "join" else otherwise})
            elif room in self.written_since:
                refused.append({"room_id": room, "reason": "written-since"})
            else:
                self.membership[body.user_id, room] = then
                self.consents.append((body.user_id, body.consent_event_id, body.consented_at))
                done.append(room)
        return web.json_response({"done": done, "refused": refused})

    async def _leave(self, request: web.Request, _caller: Caller) -> web.Response:
        return await self._act(request, "join", "not-a-member", "leave")

    async def _forget(self, request: web.Request, _caller: Caller) -> web.Response:
        return await self._act(request, "leave", "not-a-member", "forgotten")

    async def _period(self, request: web.Request, _caller: Caller) -> web.Response:
        self._check_up(request)
        body = parse_body(_Period, await request.read())
        self.periods[body.user_id] = body.months
        return web.json_response(body.model_dump())

    async def _erase(self, request: web.Request, _caller: Caller) -> web.Response:
        self._check_up(request)
        body = parse_body(_Erase, await request.read())
        if body.room_id not in self.events:
            raise Problem(409, "not-erasable", "not one of ours")
        self.erasures.append((body.room_id, body.before))
        if body.room_id not in self.undeletable:
            self.events[body.room_id] = [at for at in self.events[body.room_id] if at >= body.before]
        self.media -= {mxc for mxc in body.media if mxc not in self.undeletable}
        return web.json_response(
            {
                "remaining_events": sum(at < body.before for at in self.events[body.room_id]),
                "remaining_media": len(self.media & set(body.media)),
            }
        )


@dataclass
class BotStandIn:
    """The bot's machine interface: messages and files of rooms, each with its moment."""

    messages: list[tuple[str, int]] = field(default_factory=list)
    media: list[tuple[str, str, int]] = field(default_factory=list)
    holds_on: bool = False
    erased_before: list[int] = field(default_factory=list)
    down: bool = False

    def routes(self, routes: GuardedRoutes) -> None:
        routes.add("GET", "/v1/retention/due", "erasure:act", self._due)
        routes.add("POST", "/v1/retention/erase", "erasure:act", self._erase)
        routes.add("GET", "/v1/retention/held", "erasure:act", self._held)

    def _counts(self, before: int) -> dict[str, int]:
        messages = sum(at < before for _, at in self.messages)
        return {"messages": messages, "media": sum(at < before for *_, at in self.media), "tickets": 0}

    async def _due(self, request: web.Request, _caller: Caller) -> web.Response:
        if self.down:
            raise Problem(503, "unavailable", "down")
        before = _moment(request, "before")
        rooms = sorted({room for room, at in self.messages if at < before})
        return web.json_response(
            {
                "rooms": [
                    {
                        "room_id": room,
                        "messages": sum(room == other and at < before for other, at in self.messages),
                        "media": [mxc for other, mxc, at in self.media if other == room and at < before],
                    }
                    for room in rooms
                ]
            }
        )

    async def _erase(self, request: web.Request, _caller: Caller) -> web.Response:
        before = parse_body(_Before, await request.read()).before
        self.erased_before.append(before)
        erased = self._counts(before)
        if not self.holds_on:
            self.messages = [row for row in self.messages if row[-1] >= before]
            self.media = [row for row in self.media if row[-1] >= before]
        return web.json_response(erased)

    async def _held(self, request: web.Request, _caller: Caller) -> web.Response:
        return web.json_response(self._counts(_moment(request, "before")))


@asynccontextmanager
async def serving(stand_in: HomeserverStandIn | BotStandIn) -> AsyncIterator[str]:
    """Serves a stand-in on loopback and gives its address."""
    url = f"http://127.0.0.1:{reserve_port()}"
    app = new_application()
    token_path = HOMESERVER_TOKEN_PATH if isinstance(stand_in, HomeserverStandIn) else TOKEN_PATH
    routes = GuardedRoutes(app, TokenAuthority(url, url + token_path, generate_private_key()), _Retention(), _Unused())
    if token_path != TOKEN_PATH:

        async def to_token_endpoint(request: web.Request) -> web.StreamResponse:
            return await routes._token(request)

        app.router.add_post(token_path, to_token_endpoint)
    stand_in.routes(routes)
    server = TestServer(app, port=int(url.rpartition(":")[2]))
    await server.start_server(access_log=None)
    try:
        yield url
    finally:
        await server.close()


def client_of(url: str, token_path: str = HOMESERVER_TOKEN_PATH) -> ServiceClient:
    """A client as the wiring makes it."""
    return ServiceClient(client_id="retention", key=KEY, base_url=url, token_endpoint=url + token_path)


def write_settings(folder: Path, homeserver: str, bot: str) -> Path:
    """A settings file whose keys and secrets exist."""
    key, secret = folder / "retention.jwk", folder / "store-key"
    if not key.exists():
        write_private_key(KEY, key)
        secret.write_text("a long secret")
    path = folder / "retention.yaml"
    path.write_text(
        f"""
listen: {{port: {reserve_port()}}}
database: sqlite:///{folder}/retention.db
session:
  homeserver: {homeserver}
  user_id: "@hek-service:example.org"
  client_id: retention
  key_file: {key}
  store_directory: {folder}/store
  store_key_file: {secret}
homeserver_machine: {{url: "{homeserver}", key_file: {key}}}
bot: {{url: "{bot}", key_file: {key}}}
"""
    )
    return path


@dataclass
class RecordingAccount:
    """The service account: rooms with members, and what was sent under which key.

    Attributes:
        rooms: room id to memberships.
        clear: rooms without encryption.
        accepts: whether invited people join at once.
        invited: each room and person that was invited, in order.
        refuses_invitations: whether the homeserver takes no invitation.
        sent: key to (room, text); the same key is sent once, as the homeserver does it.
    """

    user_id: str = "@hek-service:x"
    rooms: dict[str, dict[str, str]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    clear: set[str] = field(default_factory=set)
    accepts: bool = True
    invited: list[tuple[str, str]] = field(default_factory=list)
    refuses_invitations: bool = False
    sent: dict[str, tuple[str, str]] = field(default_factory=dict)
    sent_at: dict[str, datetime] = field(default_factory=dict)

    async def send(self, room_id: str, content: Mapping[str, Any], *, key: str) -> SentMessage:
        if self.rooms[room_id].get(self.user_id) != "join" or room_id in self.clear:
            raise SendFailed("the homeserver refused: M_FORBIDDEN")
        if key not in self.sent:
            self.sent[key] = (room_id, str(content["body"]))
            self.sent_at[key] = datetime.now(UTC)
        return SentMessage(f"${key}", 0)

    async def create_room(self, alias_localpart: str, *, invite: Sequence[str] = ()) -> str:
        room_id = self.aliases.setdefault(alias_localpart, f"!{len(self.aliases)}service:x")
        if room_id not in self.rooms:
            self.invited += [(room_id, user_id) for user_id in invite]
            self.rooms[room_id] = {self.user_id: "join"} | dict.fromkeys(invite, "join" if self.accepts else "invite")
        return room_id

    async def join(self, room_id: str) -> None:
        self.rooms[room_id][self.user_id] = "join"

    async def leave(self, room_id: str) -> None:
        if self.rooms[room_id].get(self.user_id) not in {"join", "invite"}:
            raise SendFailed("the homeserver refused: M_FORBIDDEN")
        self.rooms[room_id][self.user_id] = "leave"

    async def invite(self, room_id: str, user_id: str) -> None:
        if self.refuses_invitations:
            raise SendFailed("the homeserver refused: M_LIMIT_EXCEEDED")
        if self.rooms[room_id].get(user_id) not in {"join", "invite"}:
            self.invited.append((room_id, user_id))
            self.rooms[room_id][user_id] = "join" if self.accepts else "invite"

    async def room(self, room_id: str) -> Room:
        state: dict[tuple[str, str], Mapping[str, Any]] = {
            ("m.room.member", user_id): {"membership": membership}
            for user_id, membership in self.rooms[room_id].items()
        }
        if room_id not in self.clear:
            state["m.room.encryption", ""] = {"algorithm": "m.megolm.v1.aes-sha2"}
        return Room(room_id, state, self.user_id)

    def texts(self, prefix: str) -> list[str]:
        """What was sent under keys that begin so."""
        return [text for key, (_, text) in self.sent.items() if key.startswith(prefix)]
