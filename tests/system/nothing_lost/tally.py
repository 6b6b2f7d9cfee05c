"""Counts what was lost, doubled or reordered between what should be there and what is: pure counting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of messages.

    Attributes:
        expected: how many there should be.
        lost: expected, and not there.
        doubled: there more often than once; each repetition counts.
        reordered: there behind one that should have come later.
        strange: there, and never expected.
    """

    expected: int = 0
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    strange: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def faultless(self) -> bool:
        """Whether everything is there once and in its place; nothing expected proves nothing."""
        return self.expected > 0 and not (self.lost or self.doubled or self.reordered or self.strange)


def count(expected: Sequence[Hashable], there: Iterable[Hashable]) -> Tally:
    """Compares one stream.

    Args:
        expected: what should be there, in its order; nothing in it twice.
        there: what is there, in its order.
    """
    places = {item: place for place, item in enumerate(expected)}
    if len(places) != len(expected):
        raise ValueError("something is expected twice")
    seen: Counter[Hashable] = Counter()
    furthest, reordered, strange = -1, 0, 0
    for item in there:
        place = places.get(item)
        if place is None:
            strange += 1
            continue
        seen[item] += 1
        # A repetition is counted as such, not as out of order too.
        if seen[item] == 1:
            reordered += place < furthest
            furthest = max(furthest, place)
    return Tally(
        expected=len(expected),
        lost=len(expected) - len(seen),
        doubled=seen.total() - len(seen),
        reordered=reordered,
        strange=strange,
    )


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of the tallies of several streams."""
    return sum(tallies, Tally())
