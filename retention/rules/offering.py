"""Who is offered to leave which chats: one bundled offer a person, at most one a calendar month.

Sources: the insurer's FAQ ("Sind die Chatinhalte älter als 6 Monate …"), gemSpec_TI-M A_25609 to A_25611 and A_28338.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

# What fits into one message that a person still reads; the others come with the next offer.
MAX_ROOMS = 50


class OfferState(StrEnum):
    """Where an offer stands; every step is in the database before it is taken."""

    TO_SEND = "to_send"
    OPEN = "open"
    ACCEPTED = "accepted"
    LEAVING = "leaving"
    DONE = "done"
    DECLINED = "declined"
    SUPERSEDED = "superseded"


class RoomState(StrEnum):
    """What became of one room of an offer.

    ``left`` is left but still in the history of her account, ``forgotten`` is gone for her, ``refused`` was not left
    by the homeserver for the reason noted beside it.
    """

    OFFERED = "offered"
    CHOSEN = "chosen"
    KEPT = "kept"
    LEFT = "left"
    FORGOTTEN = "forgotten"
    REFUSED = "refused"


LIVE = (OfferState.TO_SEND, OfferState.OPEN, OfferState.ACCEPTED, OfferState.LEAVING)
"""States in which an offer is not finished; a person has at most one such offer."""


@dataclass(frozen=True, slots=True)
class IdleRoom:
    """A care room whose last message is older than the person's period.

    Attributes:
        last_message_at: milliseconds since 1970.
    """

    room_id: str
    last_message_at: int


@dataclass(frozen=True, slots=True)
class PersonsOffers:
    """What a person was offered before.

    Attributes:
        months: the calendar months of all earlier offers.
        live_state: the state of the unfinished offer, or None.
        live_rooms: the rooms of the unfinished offer.
        kept: rooms that the person decided to keep, as they were then.
    """

    months: Collection[str] = ()
    live_state: OfferState | None = None
    live_rooms: Collection[str] = ()
    kept: Collection[IdleRoom] = ()


def next_offer(idle: Sequence[IdleRoom], past: PersonsOffers, month: str) -> tuple[IdleRoom, ...]:
    """The rooms of the offer that is due to a person, longest idle first, or none.

    A chat that she decided to keep is not offered again until something new was written in it. An unanswered offer
    is not repeated; it is replaced once there are further chats to be named. One that could not be sent yet is
    replaced by what is idle now.
    """
    if month in past.months or past.live_state not in {None, OfferState.TO_SEND, OfferState.OPEN}:
        return ()
    kept = frozenset(past.kept)
    rooms = {room.room_id: room for room in idle if room not in kept}
    named = frozenset(past.live_rooms)
    if rooms.keys() <= named and (past.live_state is OfferState.OPEN or rooms.keys() == named):
        return ()
    return tuple(sorted(rooms.values(), key=lambda room: (room.last_message_at, room.room_id))[:MAX_ROOMS])
