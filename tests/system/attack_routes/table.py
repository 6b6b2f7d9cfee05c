"""The table of routes: what one is, how it is judged, and how it gets into the table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.system.attack_routes.people import Cast

Attempt = Callable[[Cast], Awaitable[object]]


class Control(StrEnum):
    """Between whom the same attempt succeeds, by the same judge: a route that nobody can walk shows nothing."""

    PERMITTED = "an insured person and a practice that opted in"
    ACQUAINTED = "an insured person and a practice that share a chat"
    INSIDE = "the practice of the victim's chat"
    LISTED = "a practice's server of the federation list and an insured person"
    LISTED_ACQUAINTED = "the same two, who share a chat"
    LISTED_INSIDE = "the same two, in the victim's chat"
    BARE = "the same two people on a Synapse without the module"


class Sign(StrEnum):
    """By what the victim is reached."""

    TOLD = "told of her"
    WORDS = "words shown"
    FACE = "person shown"
    ROOM = "common room"
    MOMENT = "seen at this moment"


MEETING = frozenset({Sign.FACE, Sign.ROOM})
"""By one of these somebody is reached who is brought together with somebody else."""


@dataclass(frozen=True)
class Route:
    """One way by which an insured person tries to reach another.

    Attributes:
        name: subject and attempt.
        control: between whom it succeeds.
        home: the server of the outsider who takes part, by its name in the scene.
        attempt: does it; what the attacker is answered on the way is kept by the cast.
        open_because: the proof that it cannot be closed; empty if it is.
        aims: what is at stake; None for words, if the attempt says any, otherwise that the two meet.
    """

    name: str
    control: Control
    home: str
    attempt: Attempt
    open_because: str = ""
    aims: Sign | None = None

    def at_stake(self, cast: Cast) -> frozenset[Sign]:
        """The signs of which one must show between those who may, or the attempt shows nothing."""
        if self.aims is not None:
            return frozenset({self.aims})
        return frozenset({Sign.WORDS}) if cast.has_words else MEETING


TABLE: list[Route] = []
ELSEWHERE = ("insurer", "stranger")
"""Homes of an outsider who is no practice: another insurer's server, and one that the federation list does not know."""


def route(
    control: Control,
    *,
    homes: tuple[str, ...] = ("",),
    name: str = "",
    open_because: str = "",
    aims: Sign | None = None,
) -> Callable[[Attempt], Attempt]:
    """Enters an attempt into the table, once for each home of the outsider."""

    def enter(attempt: Attempt) -> Attempt:
        subject = attempt.__module__.rpartition(".")[2]
        for home in homes:
            words = [subject, name or attempt.__name__, home]
            full = "-".join(word.replace("_", " ") for word in words if word)
            assert full not in {one.name for one in TABLE}, full
            TABLE.append(Route(full, control, home or "insurer", attempt, open_because, aims))
        return attempt

    return enter
