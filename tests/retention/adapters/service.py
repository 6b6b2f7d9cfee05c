"""The service account's desk and conversation over a database, a homeserver on loopback, and a recording account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.catalogue import Catalogue
from messenger_core.clock import present
from messenger_core.matrix import DeviceTrust, Message, ReceivedEvent
from messenger_core.service_auth.client import ServiceClient
from retention.adapters.homeserver import HomeserverClient
from retention.rules.moments import parse_as_of
from retention.rules.offering import IdleRoom
from retention.store.offers import Offers
from retention.store.period_wishes import PeriodWishes
from retention.store.service_rooms import ServiceRooms
from retention.use_cases.conversation import Conversation
from retention.use_cases.desk import Desk
from retention.use_cases.wording import Wording
from tests.retention.stand_ins import HomeserverStandIn, RecordingAccount

ERIKA = "@erika:x"
FIRST, SECOND, THIRD = "!first:x", "!second:x", "!third:x"
IDLE = tuple(IdleRoom(room, number * 1000) for number, room in enumerate((FIRST, SECOND, THIRD), 1))
WORDING = Wording(Catalogue.of("retention"))
MAY, JUNE = parse_as_of("2027-05-24"), parse_as_of("2027-06-24")


class Killed(BaseException):
    """The process ends at this instruction."""


@dataclass
class Life:
    """Counts the calls of one process and ends it before one of them, which is the same as after the one before."""

    ends_at: int | None = None
    calls: int = 0


class Mortal:
    """Passes calls on until the process ends."""

    def __init__(self, inner: Any, life: Life) -> None:
        self._inner = inner
        self._life = life

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._inner, name)
        if not callable(attribute):
            return attribute

        async def call(*args: Any, **named: Any) -> Any:
            self._life.calls += 1
            if self._life.calls == self._life.ends_at:
                raise Killed
            return await attribute(*args, **named)

        return call


@dataclass
class Service:
    """Everything that outlives a process, and the present process."""

    engine: AsyncEngine
    homeserver: HomeserverStandIn
    client: ServiceClient
    account: RecordingAccount = field(default_factory=RecordingAccount)

    def __post_init__(self) -> None:
        self.offers = Offers(self.engine)
        self.rooms = ServiceRooms(self.engine)
        self.start_anew()

    def start(self, life: Life) -> None:
        """Starts a process; what was in memory is lost."""
        account: Any = Mortal(self.account, life)
        homeserver: Any = Mortal(HomeserverClient(self.client), life)
        offers: Any = Mortal(self.offers, life)
        rooms: Any = Mortal(self.rooms, life)
        wishes: Any = Mortal(PeriodWishes(self.engine), life)
        self.desk = Desk(account, homeserver, offers=offers, rooms=rooms, wishes=wishes, wording=WORDING, clock=present)
        self.conversation = Conversation(
            self.desk, offers=offers, rooms=rooms, wishes=wishes, wording=WORDING, require_signed_devices=True
        )

    def start_anew(self) -> None:
        """Starts a process that is not killed."""
        self.start(Life())

    async def handle(self, event: ReceivedEvent) -> None:
        """Hands an event over and sends what it is answered with, as the session does."""
        for answer in await self.conversation.handle(event):
            assert isinstance(answer, Message)
            await self.account.send(answer.room_id, answer.content, key=f"reply {event.event_id}")

    async def offer(self, *idle: IdleRoom, as_of: datetime = MAY) -> None:
        """What the job writes."""
        assert await self.offers.make(ERIKA, idle or IDLE, as_of=as_of, now=datetime.now(UTC)) > 0

    async def work(self) -> None:
        """Enough passes of the desk for everything that is due."""
        for _ in range(4):
            await self.desk.work_once()

    @property
    def service_room(self) -> str:
        """The room that was made for the person."""
        [room_id] = self.account.aliases.values()
        return room_id

    def event(self, body: str, event_id: str = "$answer", **changes: Any) -> ReceivedEvent:
        """A message of the person in the service room, sent now."""
        fields: dict[str, Any] = {
            "room_id": self.service_room if "room_id" not in changes else "",
            "event_id": event_id,
            "sender": ERIKA,
            "type": "m.room.message",
            "content": {"msgtype": "m.text", "body": body},
            "sent_at": datetime.now(UTC),
            "encrypted": True,
            "state_key": None,
            "redacts": None,
            "thread_root": None,
            "sender_trust": DeviceTrust.CROSS_SIGNED,
        }
        return ReceivedEvent(**fields | changes)

    async def says(self, body: str, event_id: str = "$answer", **changes: Any) -> str:
        """The person writes, the desk works; returns what she was answered at last."""
        before = set(self.account.sent)
        await self.handle(self.event(body, event_id, **changes))
        await self.work()
        answers = [text for key, (_, text) in self.account.sent.items() if key not in before]
        return answers[-1] if answers else ""

    def present(self) -> dict[str, str]:
        """The person's membership in her care rooms."""
        return {room: membership for (_, room), membership in self.homeserver.membership.items()}
