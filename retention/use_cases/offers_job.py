"""The job of the six months: asks the homeserver for idle care rooms and writes the offers that are due."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from retention.rules.offering import IdleRoom
from retention.use_cases.machines import Homeserver

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class OffersMade:
    """What the job found and wrote.

    Attributes:
        people: insured people with idle care rooms.
        idle_rooms: these rooms, counted for each person.
        offers: offers written now; the others were offered before.
        offered_rooms: the rooms in these offers.
    """

    people: int
    idle_rooms: int
    offers: int
    offered_rooms: int


class WriteOffer(Protocol):
    """Writes the offer that is due to a person, if one is, and returns the number of its rooms."""

    async def __call__(self, user_id: str, idle: Sequence[IdleRoom], *, as_of: datetime, now: datetime) -> int:
        """See ``Offers.make``."""
        ...


async def make_offers(
    homeserver: Homeserver, write: WriteOffer, as_of: datetime, progress: Progress, *, now: datetime
) -> OffersMade:
    """Writes one bundled offer a person; a process that runs with the Matrix session sends them.

    Args:
        homeserver: is asked for idle care rooms.
        write: ``Offers.make``, or ``Offers.would_make`` to count alone.
        as_of: the moment to look from.
        progress: takes a line at each step.
        now: the present moment.

    Raises:
        CallFailed: if the homeserver refuses or does not answer; no offer is written then, since a person's rooms may
            stand on several pages.
    """
    idle: dict[str, list[IdleRoom]] = {}
    pages = 0
    async for page in homeserver.idle_pages(as_of):
        pages += 1
        for user_id, room in page:
            idle.setdefault(user_id, []).append(room)
        progress(f"offers: page {pages} of idle care rooms read, {len(page)} rooms")
    made = [await write(user, rooms, as_of=as_of, now=now) for user, rooms in idle.items()]
    written = [count for count in made if count]
    progress(f"offers: {len(written)} written for {len(idle)} people with idle care rooms")
    return OffersMade(len(idle), sum(map(len, idle.values())), len(written), sum(written))
