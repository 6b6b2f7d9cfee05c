"""A homeserver that can say anything: its signatures are right, everything else is whatever the test wants."""

from __future__ import annotations

import asyncio
import copy
import json
import secrets
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from signedjson.key import encode_verify_key_base64, generate_signing_key, get_verify_key
from signedjson.sign import sign_json
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS, RoomVersion
from synapse.crypto.event_signing import add_hashes_and_signatures
from synapse.events import make_event_from_dict
from yarl import URL

from tests.synapse_modules.certificate_authority import CertificateAuthority
from tests.synapse_modules.stand_ins import serving

Pdu = dict[str, Any]
StateKey = tuple[str, str]
_V1, _V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
_HOUR_MS = 3_600_000
_SHOWN = ("m.room.create", "m.room.join_rules", "m.room.encryption", "m.room.name", "m.room.topic")
"""The state that an invitation shows."""


def event_id_of(pdu: Mapping[str, Any], version: str) -> str:
    """The id of an event in a room of a version."""
    return make_event_from_dict(dict(pdu), KNOWN_ROOM_VERSIONS[version]).event_id


def care_state(creator: str, **changed: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """The state, by type, with which an honest practice opens a room; ``changed`` by the type's last word."""
    state: dict[str, Mapping[str, Any] | None] = {
        "m.room.power_levels": {
            "users": {creator: 100},
            "users_default": 0,
            "events_default": 0,
            "state_default": 50,
            "invite": 50,
        },
        "m.room.join_rules": {"join_rule": "invite"},
        "m.room.history_visibility": {"history_visibility": "invited"},
        "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    state |= {f"m.room.{name}": content for name, content in changed.items()}
    return {kind: content for kind, content in state.items() if content is not None}


@dataclass
class HostileRoom:
    """A room as this server sees it: its own, or one that it joined."""

    server: HostileServer
    room_id: str
    version: str
    creator: str
    events: dict[str, Pdu] = field(default_factory=dict)
    state: dict[StateKey, str] = field(default_factory=dict)
    tips: list[str] = field(default_factory=list)

    @property
    def _room_version(self) -> RoomVersion:
        return KNOWN_ROOM_VERSIONS[self.version]

    def take(self, pdu: Pdu, *, is_tip: bool = True) -> str:
        """Takes an event into the room; its id."""
        event_id = event_id_of(pdu, self.version)
        self.events[event_id] = pdu
        if "state_key" in pdu:
            self.state[(pdu["type"], pdu["state_key"])] = event_id
        if is_tip:
            self.tips = [event_id]
        return event_id

    def _auth_events(self, kind: str, content: Mapping[str, Any], sender: str, state_key: str | None) -> list[str]:
        wanted: list[StateKey] = [("m.room.create", ""), ("m.room.power_levels", ""), ("m.room.member", sender)]
        if kind == "m.room.member" and state_key is not None:
            wanted.append(("m.room.member", state_key))
            if content.get("membership") in {"join", "invite", "knock"}:
                wanted.append(("m.room.join_rules", ""))
            if "join_authorised_via_users_server" in content:
                wanted.append(("m.room.member", content["join_authorised_via_users_server"]))
            if "third_party_invite" in content:
                wanted.append(("m.room.third_party_invite", content["third_party_invite"]["signed"]["token"]))
        return list(dict.fromkeys(self.state[key] for key in wanted if key in self.state))

    def make(
        self, kind: str, content: Mapping[str, Any], *, sender: str, state_key: str | None = None, **more: Any
    ) -> Pdu:
        """A signed event that follows the newest one; nobody knows of it yet.

        Args:
            kind: its type.
            content: its content.
            sender: who sends it; somebody else's signature is not to be had.
            state_key: of state.
            more: other keys of the event, beside or instead of the correct ones.
        """
        pdu: Pdu = {
            "type": kind,
            "room_id": self.room_id,
            "sender": sender,
            "content": dict(content),
            "origin_server_ts": int(time.time() * 1000),
            "prev_events": list(self.tips),
            "auth_events": self._auth_events(kind, content, sender, state_key),
            "depth": 1 + max((self.events[tip]["depth"] for tip in self.tips if tip in self.events), default=0),
        }
        if state_key is not None:
            pdu["state_key"] = state_key
        pdu |= more
        add_hashes_and_signatures(self._room_version, pdu, self.server.server_name, self.server.signing_key)
        return pdu

    def add(self, kind: str, content: Mapping[str, Any], *, sender: str = "", state_key: str | None = None) -> str:
        """Makes an event and takes it into the room; nobody is told. Its id."""
        return self.take(self.make(kind, content, sender=sender or self.creator, state_key=state_key))

    def take_from(
        self, server: HostileServer, kind: str, content: Mapping[str, Any], *, sender: str, state_key: str | None = None
    ) -> str:
        """Takes an event that another hostile server signed into the room; its id."""
        at_other = replace(self, server=server)
        return self.take(at_other.make(kind, content, sender=sender, state_key=state_key))

    def state_content(self, kind: str, state_key: str = "") -> dict[str, Any]:
        """What a piece of its state says."""
        content: dict[str, Any] = self.events[self.state[(kind, state_key)]]["content"]
        return content

    async def send(
        self, kind: str, content: Mapping[str, Any], *, sender: str = "", state_key: str | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Makes an event and sends it to the attacked server; its id, and what that server says of it."""
        pdu = self.make(kind, content, sender=sender or self.creator, state_key=state_key)
        event_id = self.take(pdu)
        status, answer = await self.server.transaction(pdus=[pdu])
        assert status == 200, answer
        return event_id, answer["pdus"].get(event_id, {})

    async def invite(
        self,
        user_id: str,
        *,
        sender: str = "",
        bare: bool = False,
        beside: Iterable[Mapping[str, Any]] = (),
        more: Mapping[str, Any] | None = None,
        **content: Any,
    ) -> tuple[int, dict[str, Any]]:
        """Invites somebody of the attacked server as the protocol has it.

        Args:
            user_id: who is invited.
            sender: who invites; the room's maker if nobody is named.
            bare: whether the room's state is shown in the older form, without signatures.
            beside: what is shown of the room beside the usual state.
            more: other keys of the invitation, beside or instead of the correct ones.
            content: of the invitation, beside the membership.
        """
        inviter = sender or self.creator
        member = {"membership": "invite"} | content
        pdu = self.make("m.room.member", member, sender=inviter, state_key=user_id, **(more or {}))
        shown = [self.events[self.state[(kind, "")]] for kind in _SHOWN if (kind, "") in self.state]
        if bare:
            shown = [{key: event[key] for key in ("type", "state_key", "sender", "content")} for event in shown]
        body = {"room_version": self.version, "event": pdu, "invite_room_state": [*shown, *beside]}
        path = f"{_V2}/invite/{quote(self.room_id, safe='')}/{quote(event_id_of(pdu, self.version), safe='')}"
        status, answer = await self.server.request("PUT", path, body)
        if status == 200:
            self.take(answer["event"])
        return status, answer

    @property
    def state_pdus(self) -> list[Pdu]:
        """Its present state."""
        return [self.events[event_id] for event_id in self.state.values() if event_id in self.events]


class HostileServer:
    """One server name with a signing key of its own; ``running_hostile_server`` opens it."""

    def __init__(self, server_name: str, target: str, trust: ssl.SSLContext) -> None:
        """``target`` is the server name of the homeserver that is attacked."""
        self.server_name = server_name
        self.target = target
        self.signing_key = generate_signing_key("hostile")
        self.rooms: dict[str, HostileRoom] = {}
        self.received_pdus: list[Pdu] = []
        self.received_edus: list[dict[str, Any]] = []
        self.received_requests: list[str] = []
        self.withheld: set[str] = set()
        """Events that it does not give when it is asked for what lies between; it still says what state they led to."""
        self.refuses: tuple[int, str] | None = None
        """The status and text with which it answers invitations and joins; None if it takes them all."""
        self.answers: dict[tuple[str, str], object] = {}
        """What it answers instead of the truth: about ``devices``, ``query``, ``claim`` or ``profile`` of a user, and
        how to ``join`` or ``leave`` a room."""
        self.files: dict[str, tuple[str, str]] = {}
        """The files that it gives, by media id: the lines with their type and name, and their text."""
        self.reason: tuple[int, str] | None = None
        """The status and words with which it refuses questions about keys and profiles; None if it answers them."""
        self._trust = trust
        self.app = web.Application(middlewares=[self._note])
        self._add_routes(self.app.router)

    def user(self, localpart: str) -> str:
        """A user of this server; nobody checks whether there is one."""
        return f"@{localpart}:{self.server_name}"

    def against(self, target: str) -> HostileServer:
        """The same server, with the same key and rooms, that attacks another homeserver."""
        other = copy.copy(self)
        other.target = target
        return other

    # -- what it does -------------------------------------------------------------------------------------------------

    async def request(
        self, method: str, path: str, body: object | None = None, *, signed: bool = True, origin: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """A request to the attacked server, with the right signature or none.

        Args:
            method: of HTTP.
            path: with its query.
            body: JSON.
            signed: whether the header that names this server is sent.
            origin: a server name to pretend; the signature is still this server's.
        """
        headers = {}
        name = origin or self.server_name
        if signed:
            signable: dict[str, Any] = {"method": method, "uri": path, "origin": name, "destination": self.target}
            if body is not None:
                signable["content"] = body
            ((key_id, signature),) = sign_json(signable, name, self.signing_key)["signatures"][name].items()
            headers["Authorization"] = (
                f'X-Matrix origin="{name}",destination="{self.target}",key="{key_id}",sig="{signature}"'
            )
        data = None if body is None else json.dumps(body).encode()
        async with (
            aiohttp.ClientSession() as http,
            http.request(
                method,
                # What is signed is the address as it is; nothing may be requoted.
                URL(f"https://{self.target}{path}", encoded=True),
                data=data,
                headers=headers | {"Content-Type": "application/json"},
                ssl=self._trust,
            ) as answer,
        ):
            text = await answer.text()
            try:
                return answer.status, json.loads(text)
            except ValueError:
                return answer.status, {"text": text}

    async def transaction(
        self, *, pdus: Iterable[Pdu] = (), edus: Iterable[Mapping[str, Any]] = ()
    ) -> tuple[int, dict[str, Any]]:
        """Sends events and ephemeral ones as one transaction; while another is being worked through, it comes again."""
        body = {
            "origin": self.server_name,
            "origin_server_ts": int(time.time() * 1000),
            "pdus": list(pdus),
            "edus": list(edus),
        }
        path = f"{_V1}/send/{secrets.token_hex(8)}"
        status, answer = await self.request("PUT", path, body)
        while status == HTTPStatus.TOO_MANY_REQUESTS:
            await asyncio.sleep(0.05)
            status, answer = await self.request("PUT", path, body)
        return status, answer

    def open_room(
        self, creator: str, state: Mapping[str, Mapping[str, Any]] | None = None, *, version: str = "10", **create: Any
    ) -> HostileRoom:
        """Makes a room that lies here; an honest practice's unless ``state`` or ``create`` say otherwise."""
        room = HostileRoom(self, f"!{secrets.token_hex(8)}:{self.server_name}", version, creator)
        self.rooms[room.room_id] = room
        room.add("m.room.create", {"creator": creator, "room_version": version} | create, state_key="")
        room.add("m.room.member", {"membership": "join", "displayname": "Praxis"}, state_key=creator)
        for kind, content in (care_state(creator) if state is None else state).items():
            room.add(kind, content, state_key="")
        return room

    async def make_join(self, room_id: str, user_id: str, *, what: str = "join") -> tuple[int, dict[str, Any]]:
        """Asks for the template of a join (or a ``leave``, or a ``knock``)."""
        versions = "&".join(f"ver={version}" for version in ("9", "10", "11"))
        path = f"{_V1}/make_{what}/{quote(room_id, safe='')}/{quote(user_id, safe='')}"
        return await self.request("GET", f"{path}?{versions}")

    async def send_join(
        self, template: Mapping[str, Any], version: str = "10", *, what: str = "join"
    ) -> tuple[int, dict[str, Any]]:
        """Signs a join (or a ``knock``) and sends it, whether a template was given or not."""
        pdu = {key: value for key, value in template.items() if key not in {"signatures", "hashes", "unsigned"}}
        pdu["origin_server_ts"] = int(time.time() * 1000)
        add_hashes_and_signatures(KNOWN_ROOM_VERSIONS[version], pdu, self.server_name, self.signing_key)
        event_id = event_id_of(pdu, version)
        prefix = _V1 if what == "knock" else _V2
        path = f"{prefix}/send_{what}/{quote(pdu['room_id'], safe='')}/{quote(event_id, safe='')}"
        status, answer = await self.request("PUT", path, pdu)
        if status == 200 and what == "join":
            room = HostileRoom(self, pdu["room_id"], version, pdu["sender"])
            for one in answer["auth_chain"]:
                room.events[event_id_of(one, version)] = one
            for one in answer["state"]:
                room.take(one)
            room.take(answer.get("event") or pdu)
            self.rooms[room.room_id] = room
        return status, answer

    async def join(self, room_id: str, user_id: str) -> HostileRoom:
        """Joins a room of the attacked server as the protocol has it."""
        status, answer = await self.make_join(room_id, user_id)
        assert status == 200, answer
        status, joined = await self.send_join(answer["event"], answer["room_version"])
        assert status == 200, joined
        return self.rooms[room_id]

    # -- what it answers ----------------------------------------------------------------------------------------------

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.received_requests.append(f"{request.method} {request.path}")
        if self.refuses is not None and {"invite", "make_join"} & set(request.path.split("/")):
            status, text = self.refuses
            return web.json_response({"errcode": "M_FORBIDDEN", "error": text}, status=status)
        response: web.StreamResponse = await handler(request)
        return response

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/_matrix/key/v2/server", self._keys)
        router.add_get(_V1 + "/make_{what:join|leave|knock}/{room}/{user}", self._make)
        router.add_put(_V2 + "/send_{what:join|leave}/{room}/{event}", self._send_member)
        router.add_put(_V1 + "/send/{txn}", self._transaction)
        router.add_put(_V2 + "/invite/{room}/{event}", self._invited)
        router.add_get(_V1 + "/state_ids/{room}", self._state_ids)
        router.add_get(_V1 + "/state/{room}", self._state)
        router.add_get(_V1 + "/event/{event}", self._event)
        router.add_get(_V1 + "/event_auth/{room}/{event}", self._event_auth)
        router.add_post(_V1 + "/get_missing_events/{room}", self._missing)
        router.add_get(_V1 + "/backfill/{room}", self._backfill)
        router.add_get(_V1 + "/user/devices/{user}", self._devices)
        router.add_post(_V1 + "/user/keys/{what:query|claim}", self._user_keys)
        router.add_get(_V1 + "/query/profile", self._profile)
        router.add_get(_V1 + "/media/download/{id}", self._file)

    def _room(self, request: web.Request) -> HostileRoom:
        room = self.rooms.get(request.match_info["room"])
        if room is None:
            raise web.HTTPNotFound(text='{"errcode": "M_NOT_FOUND"}', content_type="application/json")
        return room

    async def _keys(self, _request: web.Request) -> web.Response:
        key = get_verify_key(self.signing_key)
        answer = {
            "server_name": self.server_name,
            "verify_keys": {f"{key.alg}:{key.version}": {"key": encode_verify_key_base64(key)}},
            "old_verify_keys": {},
            "valid_until_ts": int(time.time() * 1000) + 24 * _HOUR_MS,
        }
        return web.json_response(sign_json(answer, self.server_name, self.signing_key))

    async def _make(self, request: web.Request) -> web.Response:
        room, user_id, what = self._room(request), request.match_info["user"], request.match_info["what"]
        pdu = room.make("m.room.member", {"membership": what}, sender=user_id, state_key=user_id)
        del pdu["signatures"], pdu["hashes"]
        answer = {"room_version": room.version, "event": pdu}
        return web.json_response(self.answers.get((what, room.room_id), answer))

    async def _send_member(self, request: web.Request) -> web.Response:
        room, pdu = self._room(request), await request.json()
        state = room.state_pdus
        room.take(pdu)
        if request.match_info["what"] == "leave":
            return web.json_response({})
        return web.json_response(
            {"event": pdu, "members_omitted": False, "state": state, "auth_chain": list(room.events.values())}
        )

    async def _transaction(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.received_edus.extend(body.get("edus", []))
        for pdu in body.get("pdus", []):
            self.received_pdus.append(pdu)
            if pdu["room_id"] in self.rooms:
                self.rooms[pdu["room_id"]].take(pdu)
        return web.json_response({"pdus": {}})

    async def _invited(self, request: web.Request) -> web.Response:
        body = await request.json()
        pdu = body["event"]
        self.received_pdus.append(pdu)
        signable = {key: value for key, value in pdu.items() if key not in {"unsigned", "signatures"}}
        redacted = make_event_from_dict(signable | {"signatures": {}}, KNOWN_ROOM_VERSIONS[body["room_version"]])
        add = dict(redacted.get_pdu_json())
        add_hashes_and_signatures(KNOWN_ROOM_VERSIONS[body["room_version"]], add, self.server_name, self.signing_key)
        signatures = {**pdu["signatures"], **add["signatures"]}
        return web.json_response({"event": {**pdu, "signatures": signatures}})

    async def _state_ids(self, request: web.Request) -> web.Response:
        room = self._room(request)
        return web.json_response({"pdu_ids": list(room.state.values()), "auth_chain_ids": list(room.events)})

    async def _state(self, request: web.Request) -> web.Response:
        room = self._room(request)
        return web.json_response({"pdus": room.state_pdus, "auth_chain": list(room.events.values())})

    async def _event(self, request: web.Request) -> web.Response:
        for room in self.rooms.values():
            pdu = room.events.get(request.match_info["event"])
            if pdu is not None:
                return web.json_response({"origin": self.server_name, "origin_server_ts": 1, "pdus": [pdu]})
        raise web.HTTPNotFound(text='{"errcode": "M_NOT_FOUND"}', content_type="application/json")

    async def _event_auth(self, request: web.Request) -> web.Response:
        return web.json_response({"auth_chain": list(self._room(request).events.values())})

    async def _missing(self, request: web.Request) -> web.Response:
        room, body = self._room(request), await request.json()
        known = set(body["earliest_events"]) | set(body["latest_events"])
        events = [pdu for event_id, pdu in room.events.items() if event_id not in known | self.withheld]
        return web.json_response({"events": events})

    async def _backfill(self, request: web.Request) -> web.Response:
        room = self._room(request)
        return web.json_response(
            {"origin": self.server_name, "origin_server_ts": 1, "pdus": list(room.events.values())[::-1]}
        )

    async def _devices(self, request: web.Request) -> web.Response:
        user_id = request.match_info["user"]
        truth = {"user_id": user_id, "stream_id": 1, "devices": []}
        return web.json_response(self.answers.get(("devices", user_id), truth))

    async def _user_keys(self, request: web.Request) -> web.Response:
        if self.reason is not None:
            return self._refused(*self.reason)
        what, body = request.match_info["what"], await request.json()
        where = "device_keys" if what == "query" else "one_time_keys"
        said = [self.answers[(what, user_id)] for user_id in body[where] if (what, user_id) in self.answers]
        return web.json_response(said[0] if said else {where: {}})

    @staticmethod
    def _refused(status: int, words: str) -> web.Response:
        body = json.dumps({"errcode": "M_FORBIDDEN", "error": words})
        return web.Response(status=status, reason=words, text=body, content_type="application/json")

    async def _profile(self, request: web.Request) -> web.Response:
        if self.reason is not None:
            return self._refused(*self.reason)
        return web.json_response(self.answers.get(("profile", request.query["user_id"]), {"displayname": "Praxis"}))

    async def _file(self, request: web.Request) -> web.Response:
        if request.match_info["id"] not in self.files:
            return self._refused(404, self.reason[1] if self.reason else "Not found")
        called, text = self.files[request.match_info["id"]]
        body = f"--B\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--B\r\n{called}\r\n\r\n{text}\r\n--B--\r\n"
        return web.Response(body=body.encode(), headers={"Content-Type": "multipart/mixed; boundary=B"})


@contextmanager
def running_hostile_server(
    folder: Path, authority: CertificateAuthority, address: str, port: int, target: str
) -> Iterator[HostileServer]:
    """A server on a loopback address with a certificate of the authority that the attacked one trusts."""
    folder.mkdir()
    certificate, key = authority.write_server(folder, address)
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(certificate, key)
    server = HostileServer(f"{address}:{port}", target, trusting(authority))
    with serving(server.app, port, host=address, tls=own):
        yield server


def trusting(authority: CertificateAuthority) -> ssl.SSLContext:
    """What a client of a server with a certificate of the authority needs."""
    return ssl.create_default_context(cadata=authority.pem)
