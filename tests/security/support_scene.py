"""An insured person with a ticket and its agent, or with an offer to leave a chat, in a sandbox that runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.encrypted_client import EncryptedClient, Seen, run_client
from sandbox.headless_sign_in import sign_in
from sandbox.people import AGENTS, Agent, Person
from sandbox.story.keeping_and_erasing import a_day_after
from sandbox.story.practice_chat import practices_join
from sandbox.story.stage import Stage, open_stage
from tests.security.house import House, sandbox
from tests.system.conftest import Sandbox

BERG = next(agent for agent in AGENTS if agent.name == "berg")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A person's ticket, with a signed device on either side.

    Attributes:
        person: her device; ``support_room`` is where she writes.
        agent: the agent's device; ``team_room`` and ``thread`` are where it answers.
    """

    stage: Stage
    person: EncryptedClient
    support_room: str
    agent: EncryptedClient
    team_room: str
    thread: str

    async def answer(self, text: str, *, by: EncryptedClient | None = None) -> None:
        """An agent's device answers, as its client does."""
        await (by or self.agent).send_text(self.team_room, f"!antwort {text}", thread=self.thread)

    async def reaches_person(self, text: str) -> bool:
        """Whether a text has come to the person once an honest answer, sent after it, has."""
        honest = f"Ehrliche Antwort nach: {text}"
        await self.answer(honest)
        await self.person.wait_for(lambda seen: honest in seen.body, "the honest answer")
        return any(text in seen.body and honest not in seen.body for seen in self.person.seen)

    def in_thread(self, seen: Seen) -> bool:
        """Whether an event stands in the ticket's thread or corrects one there: the agent has other tickets too."""
        relation = seen.content.get("m.relates_to", {})
        if relation.get("rel_type") == "m.replace":
            return any(self.in_thread(one) for one in self.agent.seen if one.event_id == relation["event_id"])
        return bool(relation.get("event_id") == self.thread)

    async def told_in_thread(self, part: str) -> Seen:
        """What the bot tells the agents."""
        return await self.agent.wait_for(
            lambda seen: seen.sender == self.stage.ready.support_user and part in seen.body and self.in_thread(seen),
            f"“{part}”",
        )

    async def relayed(self, part: str) -> Seen:
        """The copy of what the person wrote, in the team's room."""
        return await self.agent.wait_for(
            lambda seen: part in seen.body and self.in_thread(seen), f"the copy of “{part}”"
        )


@dataclass(frozen=True, slots=True)
class StaffedSandbox:
    """The whole system, and an agent's signed device that all rows share: she signs in once, as people do."""

    running: Sandbox
    agent: EncryptedClient


@asynccontextmanager
async def staffed_sandbox(folder: Path) -> AsyncIterator[StaffedSandbox]:
    """Starts it."""
    async with sandbox(folder) as running, open_stage(running.directory) as stage:
        yield StaffedSandbox(running, await stage.agent_client(BERG.name))


async def fresh_device(stage: Stage, owner: Person | Agent, *, signed: bool) -> EncryptedClient:
    """One more device of somebody, signed by its owner or not."""
    signed_in = await sign_in(stage.homeserver, owner)
    if signed:
        return await stage.open_client(signed_in)
    store = stage.client_keys / signed_in.device_id
    return await stage.resources.enter_async_context(run_client(stage.homeserver, signed_in, store))


@asynccontextmanager
async def ticket(house: House) -> AsyncIterator[Ticket]:
    """A person whom no other row knows, who has just opened a ticket."""
    staffed = await house.scene(staffed_sandbox)
    async with open_stage(staffed.running.directory) as stage:
        person, agent = await stage.open_client(await sign_in(stage.homeserver, stage.erika)), staffed.agent
        _, answer = await person.ask_for_chat(stage.ready.support_user)
        room = str(answer["room_id"])
        await person.wait_until_in(room, stage.ready.support_user)
        topics = await person.wait_for(lambda seen: "Krankengeld" in seen.body, "the topics")
        line = next(line for line in topics.body.splitlines() if "Krankengeld" in line)
        await person.send_text(room, line.strip().split(".")[0])
        question = f"Frage von {person.signed_in.user_id}"
        await person.send_text(room, question)
        relayed = await agent.wait_for(lambda seen: question in seen.body, "her question")
        yield Ticket(stage, person, room, agent, relayed.room_id, relayed.content["m.relates_to"]["event_id"])


@dataclass(frozen=True, slots=True)
class Offered:
    """A person who was offered to leave an old chat, with her signed device.

    Attributes:
        service_room: where she answers.
        care_room: the chat.
    """

    stage: Stage
    person: EncryptedClient
    service_room: str
    care_room: str

    async def is_in_chat(self) -> bool:
        """Whether she is still in the chat."""
        _, joined = await self.person.call("GET", "/_matrix/client/v3/joined_rooms")
        return self.care_room in joined["joined_rooms"]

    async def told(self, part: str) -> Seen:
        """What the service account tells her."""
        return await self.person.wait_for(
            lambda seen: seen.sender == self.stage.ready.service_user and part in seen.body, f"“{part}”"
        )

    async def leaves_honestly(self) -> bool:
        """Whether her own signed device can accept."""
        await self.person.send_text(self.service_room, "VERLASSEN")
        for _ in range(600):
            if not await self.is_in_chat():
                return True
            await asyncio.sleep(0.1)
        return False


@asynccontextmanager
async def offered(house: House) -> AsyncIterator[Offered]:
    """A person whom no other row knows, with a chat that is old half a year from now."""
    staffed = await house.scene(staffed_sandbox)
    async with open_stage(staffed.running.directory) as stage:
        person = await stage.open_client(await sign_in(stage.homeserver, stage.erika))
        await practices_join(stage)
        _, answer = await person.ask_for_chat(stage.sommer.user_id)
        room = str(answer["room_id"])
        practice = await stage.practice_client(stage.sommer)
        await practice.wait_for_invitation(person.signed_in.user_id)
        await practice.join(room)
        await person.wait_until_in(room, practice.signed_in.user_id)
        await person.send_text(room, "Guten Tag")
        await practice.wait_for(lambda seen: seen.body == "Guten Tag", "her message")
        await stage.run_component("retention", "offers", "--future", "--as-of", a_day_after(months=6))
        service_room = await person.wait_for_invitation(stage.ready.service_user)
        await person.join(service_room)
        made = Offered(stage, person, service_room, room)
        await made.told("VERLASSEN")
        yield made
