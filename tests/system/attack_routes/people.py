"""Who takes part in an attempt, on the homeserver with the module or on a bare one, and what they can do there."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp

from tests.clients.hostile_server import HostileRoom, HostileServer
from tests.synapse_modules.federation import Federation, PracticesServer
from tests.synapse_modules.homeserver_under_test import CIPHERTEXT, MEGOLM, SignedIn

V3 = "/_matrix/client/v3"
Answer = tuple[int, dict[str, Any]]


class Scene(Protocol):
    """A homeserver with its people."""

    base: str
    server_name: str
    federation: Federation

    async def person(self, name: str) -> SignedIn:
        """An insured person who is signed in."""
        ...

    async def practice(self, name: str) -> SignedIn:
        """A practice that opted in, signed in."""
        ...

    async def support(self) -> SignedIn:
        """HEK's account."""
        ...

    async def operator(self) -> SignedIn:
        """An administrator of the server."""
        ...

    async def opt_in(self, user_id: str) -> None:
        """Makes a practice of another server reachable for insured people."""
        ...

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What stands in its database."""
        ...

    def address_of(self, who: SignedIn | None) -> str:
        """Where somebody's client calls."""
        ...

    async def settles(self) -> None:
        """Returns when everybody has been told what happened."""
        ...


class SceneOfOurs:
    """Synapse with the module."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        self._ours = federation.ours
        self.base, self.server_name = self._ours.base, self._ours.server_name
        # The provider admits whomever the test names, so that people sign in one after the other.
        self._at_the_provider = asyncio.Lock()

    async def person(self, name: str) -> SignedIn:
        async with self._at_the_provider:
            return await self._ours.new_person(name)

    async def practice(self, name: str) -> SignedIn:
        return await self._ours.practice_device(await self._ours.new_practice(name))

    async def support(self) -> SignedIn:
        return await self._ours.own_account(f"@hek:{self.server_name}", "bot")

    async def operator(self) -> SignedIn:
        return await self._ours.own_account(f"@operator:{self.server_name}", "operator")

    async def opt_in(self, user_id: str) -> None:
        await self._ours.opt_in(user_id, "Praxis")

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._ours.rows(query, *values)

    def address_of(self, _who: SignedIn | None) -> str:
        return self.base

    async def settles(self) -> None:
        """Everybody is of this server."""


class BareScene:
    """Synapse as it comes."""

    def __init__(self, federation: Federation, server: PracticesServer | None = None) -> None:
        self.federation = federation
        self._bare = server or federation.practices
        self.base, self.server_name = self._bare.process.url, self._bare.server_name

    async def person(self, name: str) -> SignedIn:
        who = await self._bare.new_practice()
        await self._bare.call(who, "PUT", f"/profile/{quote(who.user_id)}/displayname", {"displayname": name})
        return who

    async def practice(self, name: str) -> SignedIn:
        return await self.person(name)

    async def support(self) -> SignedIn:
        return await self._bare.new_practice()

    async def operator(self) -> SignedIn:
        who = await self._bare.new_practice()
        with closing(sqlite3.connect(self._bare.process.database, timeout=20)) as connection:
            connection.execute("UPDATE users SET admin = 1 WHERE name = ?", (who.user_id,))
            connection.commit()
        return who

    async def opt_in(self, user_id: str) -> None:
        """Everybody is."""

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._bare.process.database, timeout=20)) as connection:
            return connection.execute(query, values).fetchall()

    def address_of(self, _who: SignedIn | None) -> str:
        return self.base

    async def settles(self) -> None:
        """Everybody is of this server."""


@dataclass
class Cast:
    """Who takes part in one attempt.

    Attributes:
        scene: where it happens.
        attacker: who wants to reach the victim; insured, unless it is a control.
        victim: who must not be reached; insured, unless it is a control.
        home: the outsider's server.
        outsider: a person of that server; insured there, unless it is a control.
        words: that the attacker wants the victim to read.
        has_words: whether the attempt says them.
        faces: user ids in which the victim would recognise the attacker.
        secrets: by which the attacker's side would know that it was told of the victim.
        chat: a chat of the victim's that is there already.
        answers: what the attacker's side was answered.
        has_learned: whether it learned something of her that stands in no answer, such as that there is somebody.
        shown: what the victim's client asked for on the way, and shows.
        since: where the victim's client stood before.
    """

    scene: Scene
    attacker: SignedIn
    victim: SignedIn
    home: HostileServer
    outsider: str
    words: str
    secrets: set[str]
    chat: str = ""
    faces: set[str] = field(default_factory=set)
    answers: list[object] = field(default_factory=list)
    has_learned: bool = False
    shown: list[object] = field(default_factory=list)
    since: str = ""
    has_words: bool = False

    @property
    def marker(self) -> str:
        """The words, to be said."""
        self.has_words = True
        return self.words

    # -- Calls --------------------------------------------------------------------------------------------------------

    async def asks(
        self, method: str, path: str, body: object | None = None, *, who: SignedIn | None = None, prefix: str = V3
    ) -> Answer:
        """The attacker, or somebody on her side, calls; what is answered is hers to read."""
        answer = await call(self.scene, who or self.attacker, method, path, body, prefix=prefix)
        self.answers.append(answer)
        return answer

    async def looks_up(self, path: str, body: object | None = None) -> None:
        """The victim's client asks for something that it shows."""
        self.shown.append(await call(self.scene, self.victim, "GET" if body is None else "POST", path, body))

    async def admin(self, method: str, path: str, body: object | None = None) -> Answer:
        """An administrator calls, by mistake or since somebody talked him into it."""
        return await call(self.scene, await self.scene.operator(), method, path, body, prefix="/_synapse/admin")

    async def remote(self, method: str, path: str, body: object | None = None) -> Answer:
        """The outsider's server calls."""
        answer = await self.home.request(method, f"/_matrix/federation{path}", body)
        self.answers.append(answer)
        return answer

    # -- Rooms --------------------------------------------------------------------------------------------------------

    async def opens(self, *invited: str, who: SignedIn | None = None, prefix: str = V3, **more: Any) -> str:
        """Opens a room as a client does, encrypted; its id, or nothing if it is refused."""
        body: dict[str, Any] = {"preset": "trusted_private_chat", "is_direct": True, "invite": list(invited)}
        body |= {"initial_state": [MEGOLM], "room_version": "10"}
        _, answer = await self.asks("POST", "/createRoom", body | more, who=who, prefix=prefix)
        return str(answer.get("room_id", ""))

    async def enters(self, who: SignedIn, room: str) -> Answer:
        """Somebody joins, by the id or the alias of a room."""
        there = self.scene.server_name
        by = "" if who.user_id.endswith(f":{there}") else f"?server_name={there}"
        return await call(self.scene, who, "POST", f"/join/{quote(room, safe='')}{by}", {})

    async def invites(self, room_id: str, user_id: str, *, who: SignedIn | None = None, **more: Any) -> Answer:
        """Somebody invites somebody."""
        return await self.asks("POST", f"/rooms/{quote(room_id)}/invite", {"user_id": user_id} | more, who=who)

    async def sets(
        self, room_id: str, kind: str, content: Mapping[str, Any], *, key: str = "", who: SignedIn | None = None
    ) -> Answer:
        """Somebody changes a room's state."""
        path = f"/rooms/{quote(room_id)}/state/{kind}/{quote(key, safe='')}"
        return await self.asks("PUT", path, content, who=who)

    async def sends(
        self, room_id: str, kind: str, content: Mapping[str, Any], *, who: SignedIn | None = None
    ) -> Answer:
        """Somebody sends a message."""
        path = f"/rooms/{quote(room_id)}/send/{kind}/{secrets.token_hex(8)}"
        return await self.asks("PUT", path, content, who=who)

    async def practice(self) -> SignedIn:
        """A practice that does whatever the attacker asks of it."""
        return await self.scene.practice("Praxis")

    async def chat_of(self, person: SignedIn, practice: SignedIn) -> str:
        """A chat of the two, which both joined, with a message."""
        room = await self.opens(practice.user_id, who=person)
        assert room, self.answers[-1]
        assert (await self.enters(practice, room))[0] == 200
        sent = await self.sends(room, "m.room.encrypted", CIPHERTEXT, who=person)
        assert sent[0] == 200, sent
        self.answers.clear()
        return room

    async def victims_chat(self) -> str:
        """A chat of the victim's: with the attacker, if that is a practice of a control, otherwise with a practice."""
        return self.chat or await self.chat_of(self.victim, await self.practice())

    async def victim_writes(self, room_id: str) -> tuple[str, str]:
        """The victim's member event, and a message of hers in a room; what answers that message is her secret."""
        ciphertext = secrets.token_hex(16)
        _, first = await self.sends(room_id, "m.room.encrypted", CIPHERTEXT, who=self.victim)
        relation = {"rel_type": "m.thread", "event_id": first.get("event_id", "")}
        content = CIPHERTEXT | {"ciphertext": ciphertext, "m.relates_to": relation}
        _, second = await self.sends(room_id, "m.room.encrypted", content, who=self.victim)
        member = f"/rooms/{quote(room_id)}/state/m.room.member/{quote(self.victim.user_id)}?format=event"
        _, event = await self.asks("GET", member, who=self.victim)
        self.secrets |= {ciphertext, second.get("event_id", ciphertext)}
        self.answers.clear()
        return event.get("event_id", ""), first.get("event_id", "")

    # -- The hostile practice -----------------------------------------------------------------------------------------

    @property
    def hostile(self) -> HostileServer:
        """A practice's server that is on the list and does whatever the attacker asks of it."""
        return self.scene.federation.hostile.against(self.scene.server_name)

    async def hostile_chat(self) -> HostileRoom:
        """A chat of the victim's with a practice of the hostile server, which lies there; both are in it."""
        room = self.hostile.open_room(self.hostile.user(f"praxis-{secrets.token_hex(4)}"))
        status, answer = await room.invite(self.victim.user_id)
        assert status == 200, answer
        assert (await self.enters(self.victim, room.room_id))[0] == 200
        return room

    async def settles(self, room: HostileRoom) -> None:
        """Returns when the attacked server has worked through what it was sent in a room."""
        last, _ = await room.send("m.room.encrypted", CIPHERTEXT)

        async def is_through() -> bool:
            path = f"/rooms/{quote(room.room_id)}/messages?dir=b&limit=10"
            _, newest = await call(self.scene, self.victim, "GET", path)
            if last in json.dumps(newest):
                return True
            _, joined = await call(self.scene, self.victim, "GET", "/joined_rooms")
            return room.room_id not in joined["joined_rooms"]

        await self.scene.federation.ours.until_async(is_through, within_s=60)


def filled(path: str, **values: str) -> str:
    """A path whose ``{names}`` stand for values of the attempt."""
    return path.format(**{name: quote(value, safe="") for name, value in values.items()})


async def call(
    scene: Scene, who: SignedIn | None, method: str, path: str, body: object | None = None, *, prefix: str = V3
) -> Answer:
    """A call to the homeserver of a scene."""
    headers = {"Authorization": f"Bearer {who.access_token}"} if who else {}
    address = f"{scene.address_of(who)}{prefix}{path}"
    async with aiohttp.ClientSession(headers=headers) as http, http.request(method, address, json=body) as answer:
        text = await answer.text()
        try:
            content = json.loads(text)
        except ValueError:
            content = {"text": text}
        return answer.status, content if isinstance(content, dict) else {"content": content}


async def look(scene: Scene, who: SignedIn, since: str = "") -> dict[str, Any]:
    """Everything that somebody's client can show at this moment, rooms that she has left included."""
    wanted = quote(json.dumps({"room": {"include_leave": True, "timeline": {"limit": 100}}}))
    # Synapse keeps an answer for two minutes; another timeout is another question.
    path = f"/sync?filter={wanted}&full_state=true&timeout={secrets.randbelow(10**9)}"
    whole = (await call(scene, who, "GET", path))[1]
    rooms = whole.get("rooms", {})
    seen: dict[str, Any] = {"sync": whole}
    if since:
        seen["news"] = (await call(scene, who, "GET", f"/sync?since={since}&timeout=0"))[1]
    for room_id in [*rooms.get("join", {}), *rooms.get("leave", {})]:
        path = f"/rooms/{quote(room_id)}/messages?dir=b&limit=100"
        seen[room_id] = (await call(scene, who, "GET", path))[1]
    for path in ("/joined_rooms", "/notifications"):
        seen[path] = (await call(scene, who, "GET", path))[1]
    return seen


async def rooms_of(scene: Scene, who: SignedIn) -> set[str]:
    """The rooms that somebody is in or invited to."""
    path = f"/sync?timeout={secrets.randbelow(10**9)}"
    rooms = (await call(scene, who, "GET", path))[1].get("rooms", {})
    return {*rooms.get("join", {}), *rooms.get("invite", {})}


async def publish_keys(scene: Scene, who: SignedIn) -> str:
    """Uploads keys of a device; a part of them by which they are known again."""
    key = secrets.token_hex(22)[:43]
    device = who.device_id
    keys = {
        "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
        "device_id": device,
        "user_id": who.user_id,
        "keys": {f"curve25519:{device}": key, f"ed25519:{device}": key},
        "signatures": {who.user_id: {f"ed25519:{device}": "C" * 86}},
    }
    one_time = {"signed_curve25519:AAAA": {"key": key, "signatures": {}}}
    status, answer = await call(scene, who, "POST", "/keys/upload", {"device_keys": keys, "one_time_keys": one_time})
    assert status == 200, answer
    return key
