"""What a person's answer decides, by the list that she answered, which may be older than the one that is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from retention.rules.reply import Keep, Leave


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided about the open offer, by its own numbers.

    Attributes:
        chosen: the chats to be left.
        decided: all chats that she was asked about; those that are not chosen are kept, the others stay undecided.
    """

    chosen: frozenset[int]
    decided: frozenset[int]


class Undecided(StrEnum):
    """Why an answer decides nothing; the values are keys of the catalogue."""

    NO_SUCH_NUMBER = "no_such_number"
    NO_LONGER_OFFERED = "no_longer_offered"


def decide(reply: Leave | Keep, *, answered: Mapping[int, str], offered: Mapping[int, str]) -> Decision | Undecided:
    """Reads an answer with the numbers of the list that it answers.

    Args:
        reply: the answer.
        answered: number to room id of the list that she answered.
        offered: number to room id of the offer that is open; the same list, unless she answered an older one.
    """
    number_of = {room_id: number for number, room_id in offered.items()}
    decided = frozenset(number_of[room_id] for room_id in answered.values() if room_id in number_of)
    if isinstance(reply, Leave) and reply.numbers is not None:
        if not reply.numbers <= answered.keys():
            return Undecided.NO_SUCH_NUMBER
        rooms = [answered[number] for number in reply.numbers]
        if not all(room_id in number_of for room_id in rooms):
            return Undecided.NO_LONGER_OFFERED
        return Decision(frozenset(number_of[room_id] for room_id in rooms), decided)
    if not decided:
        return Undecided.NO_LONGER_OFFERED
    return Decision(decided if isinstance(reply, Leave) else frozenset(), decided)
