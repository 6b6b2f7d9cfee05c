"""Where the story plays: fresh people and practices, their signed-in clients, and the witnesses of each step."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from joserfc.jwk import ECKey

from messenger_core.homeserver_interface import HOMESERVER_TOKEN_PATH, MACHINE_PREFIX
from messenger_core.service_auth.client import ServiceClient
from messenger_core.service_auth.keys import generate_private_key, read_private_key
from sandbox.encrypted_client import EncryptedClient, Seen, run_client
from sandbox.headless_sign_in import SignedIn, SignInRefused, add_person, sign_in
from sandbox.key_sign_in import sign_in_with_key
from sandbox.keys import OWNERSHIP_VERIFIER
from sandbox.people import AGENTS, Person, Practice, fresh_person
from sandbox.practice_software import join_directory, leave_directory
from sandbox.running import Folder, Ready, read_running
from sandbox.story.expectations import Unexpected, expect
from sandbox.story.homeserver_tables import HomeserverTables

_COMMAND_TIMEOUT_S = 180


@dataclass(frozen=True, slots=True)
class JoinedPractice:
    """A practice that joined the directory in this play."""

    practice: Practice
    key: ECKey
    user_id: str


@dataclass
class Stage:
    """One play's people, devices and rooms; the steps fill it as they go."""

    folder: Folder
    ready: Ready
    tables: HomeserverTables
    client_keys: Path
    resources: AsyncExitStack
    erika: Person
    max: Person
    agents: dict[str, EncryptedClient] = field(default_factory=dict)

    phone: EncryptedClient = field(init=False)
    tablet: EncryptedClient = field(init=False)
    sommer: JoinedPractice = field(init=False)
    winter: JoinedPractice = field(init=False)
    sommer_client: EncryptedClient = field(init=False)
    care_room: str = field(init=False)
    support_room: str = field(init=False)
    team_room: str = field(init=False)
    ticket: str = field(init=False)
    """The event id of the ticket's root in the team's room."""

    @property
    def homeserver(self) -> str:
        """The homeserver's base address."""
        return self.ready.homeserver

    # -- people and their devices -------------------------------------------------------------------------------------

    async def add_person(self, person: Person) -> Person:
        """Gives somebody a GesundheitsID."""
        token = self.folder.keys.secret("people-token").read_text(encoding="utf-8").strip()
        await add_person(self.ready.identity_provider, token, person)
        return person

    async def refusal_of(self, person: Person) -> str:
        """What somebody reads who signs in and must be refused.

        Raises:
            Unexpected: if the sign-in works.
        """
        try:
            await sign_in(self.homeserver, person)
        except SignInRefused as refusal:
            return str(refusal)
        raise Unexpected(f"{person.display_name} signed in and must not")

    async def practice_joins(self, practice: Practice, title: str) -> JoinedPractice:
        """Practice software joins the directory with a new key; the practice leaves it again when the play is over."""
        named = practice.model_copy(update={"title": title})
        key = generate_private_key()
        verifier = read_private_key(self.folder.keys.private(OWNERSHIP_VERIFIER))
        user_id = await join_directory(named, key, verifier_key=verifier, directory=self.ready.directory)
        self.resources.push_async_callback(leave_directory, named, key, directory=self.ready.directory)
        return JoinedPractice(named, key, user_id)

    async def practice_client(self, joined: JoinedPractice) -> EncryptedClient:
        """A device of a practice's software, signed in with the practice's key."""
        signed_in = await sign_in_with_key(
            self.homeserver, user_id=joined.user_id, client_id=joined.practice.telematik_id, key=joined.key
        )
        return await self.open_client(signed_in)

    async def agent_client(self, name: str) -> EncryptedClient:
        """A device of an agent, a member of the teams' rooms; the same one throughout the play."""
        if name not in self.agents:
            agent = next(agent for agent in AGENTS if agent.name == name)
            client = await self.open_client(await sign_in(self.homeserver, agent))
            for room_id in (await self.full_sync(client))["rooms"].get("invite", {}):
                await client.join(room_id)
            self.agents[name] = client
        return self.agents[name]

    async def open_client(self, signed_in: SignedIn) -> EncryptedClient:
        """An encrypted client that syncs until the play is over; its owner has signed its device."""
        store = self.client_keys / signed_in.device_id
        identity = self.folder.identity_of(signed_in.user_id)
        return await self.resources.enter_async_context(run_client(self.homeserver, signed_in, store, identity))

    # -- what witnesses see -------------------------------------------------------------------------------------------

    async def full_sync(self, client: EncryptedClient) -> dict[str, Any]:
        """Everything the homeserver shows to a device."""
        status, answer = await client.call("GET", "/_matrix/client/v3/sync?timeout=0")
        expect(status == 200, f"a sync answered {status}")
        return {"rooms": {}, **answer}

    async def messages(self, client: EncryptedClient, room_id: str) -> list[dict[str, Any]]:
        """A room's newest events as a device may read them."""
        status, answer = await client.call("GET", f"/_matrix/client/v3/rooms/{quote(room_id)}/messages?dir=b&limit=500")
        expect(status == 200, f"reading a room's history answered {status}")
        events: list[dict[str, Any]] = answer["chunk"]
        return events

    async def search_token(self, client: EncryptedClient) -> str:
        """A search token of the directory, for a signed-in person."""
        user_id = client.signed_in.user_id
        path = f"/_matrix/client/v3/user/{quote(user_id)}/openid/request_token"
        status, openid = await client.call("POST", path, {})
        expect(status == 200, f"asking for an OpenID token answered {status}")
        headers = {"X-Matrix-OpenID-Token": openid["access_token"]}
        content = await self._directory_gives("/tim-authenticate", {"mxId": user_id}, headers)
        return str(content["access_token"])

    async def fhir_search(self, token: str, query: dict[str, str]) -> dict[str, Any]:
        """A bundle of practices."""
        headers = {"Authorization": f"Bearer {token}"}
        return await self._directory_gives("/fdv/search/HealthcareService", query, headers)

    async def _directory_gives(self, path: str, query: dict[str, str], headers: dict[str, str]) -> dict[str, Any]:
        address = self.ready.directory + path
        async with aiohttp.ClientSession() as http, http.get(address, params=query, headers=headers) as answer:
            expect(answer.status == 200, f"{path} answered {answer.status}")
            content: dict[str, Any] = await answer.json(content_type=None)
            return content

    def media_of(self, seen: Iterable[Seen], rooms: Iterable[str]) -> set[str]:
        """The addresses of the files that stand in rooms."""
        wanted = set(rooms)
        return {event.content["file"]["url"] for event in seen if event.room_id in wanted and "file" in event.content}

    def bot_holds(self, room_id: str) -> int:
        """How many rows about a room's messages and files the bot's database holds."""
        path = self.ready.database["bot"].removeprefix("sqlite:///")
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as connection:
            queries = (
                "SELECT count(*) FROM matrix_journal WHERE room_id = ?",
                "SELECT count(*) FROM matrix_media WHERE room_id = ?",
                "SELECT count(*) FROM ticket_message WHERE room_id = ?",
                "SELECT count(*) FROM relayed_copy WHERE room_id = ?",
            )
            return sum(int(connection.execute(query, (room_id,)).fetchone()[0]) for query in queries)

    # -- machines -----------------------------------------------------------------------------------------------------

    async def core_system_calls(self, path: str, body: object) -> int:
        """The status of a call of the insurer's core system to the homeserver."""
        client = ServiceClient(
            client_id="core-system",
            key=read_private_key(self.folder.keys.private("core-system")),
            base_url=self.homeserver + MACHINE_PREFIX,
            token_endpoint=self.homeserver + HOMESERVER_TOKEN_PATH,
        )
        async with client:
            status, _ = await client.answer("POST", path, scope="membership:write", body=body)
        return status

    async def run_component(self, package: str, *arguments: str) -> str:
        """Runs a command of a component as an operator does and returns what it prints.

        Raises:
            Unexpected: if it fails.
        """
        settings = str(self.folder.config / f"{package}.yaml")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            package,
            *arguments,
            "--config",
            settings,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_COMMAND_TIMEOUT_S):
                output, errors = await process.communicate()
        except TimeoutError:
            process.kill()
            raise Unexpected(f"{package} {' '.join(arguments)} did not end") from None
        if process.returncode:
            last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["it printed no reason"]
            raise Unexpected(f"{package} {' '.join(arguments)} ended with {process.returncode}: {last[0]}")
        return output.decode()


def unique() -> str:
    """A transaction id that no other request has."""
    return secrets.token_hex(8)


@asynccontextmanager
async def open_stage(directory: Path) -> AsyncIterator[Stage]:
    """A stage on the sandbox that runs in ``directory``, with fresh people who have a GesundheitsID.

    Raises:
        NotRunning: if none runs there.
    """
    ready = read_running(directory)
    folder = Folder(directory)
    async with AsyncExitStack() as resources:
        client_keys = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="clients-", dir=directory)))
        database = Path(ready.database["homeserver"].removeprefix("sqlite:///"))
        stage = Stage(
            folder=folder,
            ready=ready,
            tables=HomeserverTables(database, Path(ready.media_store)),
            client_keys=client_keys,
            resources=resources,
            erika=fresh_person("Erika"),
            max=fresh_person("Max"),
        )
        await stage.add_person(stage.erika)
        await stage.add_person(stage.max)
        yield stage
