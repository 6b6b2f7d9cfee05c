"""Judges a run: what the homeserver holds and its clients can read, beside what should be there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.system.nothing_lost import conversation
from tests.system.nothing_lost.records import RoomEvent, ServiceRecords
from tests.system.nothing_lost.tally import Tally, count, total
from tests.system.nothing_lost.traffic import Room


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found at the end.

    Attributes:
        to_service: the clients' messages: what they were told was taken, beside what the homeserver holds.
        handled: the same messages, beside the answers that the clients can read, in the homeserver's order.
        own: what the service said by itself, beside what the clients can read.
        unreadable: messages of the service that a client in the room cannot read, or reads otherwise than another.
        unsettled: messages of the clients that are not settled in the service's journal.
        records: what the service's database says.
        kills: how often something was killed.
        exits: exit codes of the service when nobody had killed it.
        seconds: how long the traffic took.
    """

    to_service: Tally
    handled: Tally
    own: Tally
    unreadable: int
    unsettled: int
    records: ServiceRecords
    kills: int
    exits: tuple[int, ...]
    seconds: float

    @property
    def faultless(self) -> bool:
        """Whether nothing was lost, doubled or reordered, and the service knows that it is done."""
        return (
            all(tally.faultless for tally in (self.to_service, self.handled, self.own))
            and not (self.unreadable or self.unsettled or self.exits)
            and self.records.at_rest
        )

    def lines(self) -> Iterator[str]:
        """The result as a table."""
        yield f"{'':22}{'expected':>10}{'lost':>8}{'doubled':>10}{'out of order':>14}{'strange':>10}"
        for name, tally in (("clients' messages", self.to_service), ("answers", self.handled), ("own", self.own)):
            yield (
                f"{name:22}{tally.expected:>10}{tally.lost:>8}{tally.doubled:>10}{tally.reordered:>14}{tally.strange:>10}"
            )
        yield f"unreadable for a client: {self.unreadable}; unsettled in the journal: {self.unsettled}"
        yield f"the service's journal: {dict(self.records.journal)}; its outbox: {dict(self.records.outbox)}"
        yield f"{self.kills} kills in {self.seconds:.0f} s; exits of its own of the service: {list(self.exits)}"


@dataclass(frozen=True, slots=True)
class JudgedRoom:
    """What was found in one room; the fields are those of ``Outcome``."""

    to_service: Tally
    handled: Tally
    own: Tally
    unreadable: int


def judge_room(room: Room, events: Sequence[RoomEvent], service: str, own: int) -> JudgedRoom:
    """Compares what should be in a room with what the homeserver holds and its clients can read.

    Args:
        room: the room, its clients and what they were told was taken.
        events: the encrypted events that the homeserver holds, in its order.
        service: the service's account.
        own: how many messages of its own the service should have sent.
    """
    of_clients = [event.event_id for event in events if event.sender != service]
    answers, own_numbers, unreadable = [], [], 0
    for event in (event for event in events if event.sender == service):
        readings = [client.read(room.room_id, event.source) for client in room.members]
        content = readings[0]
        if content is None or any(reading != content for reading in readings):
            unreadable += 1
            continue
        number = conversation.own_number(content)
        if number is None:
            answers.append(conversation.answered(content))
        else:
            own_numbers.append(number)
    to_service = (
        count(ids, [event.event_id for event in events if event.sender == sender]) for sender, ids in room.sent.items()
    )
    return JudgedRoom(
        to_service=total(to_service),
        handled=count(of_clients, answers),
        own=count(range(1, own + 1), own_numbers),
        unreadable=unreadable,
    )
