"""Rule: an erasure that is larger than usual is not begun before somebody has said that it is meant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UsualErasure:
    """What one run may erase without being asked about.

    Attributes:
        most: so many messages and files together.
        most_share: this share of everything that is held, from 0 to 1.
        share_from: the share counts from so many on; of a few, one conversation is a large share.
    """

    most: int
    most_share: float
    share_from: int

    def is_exceeded(self, due: int, held: int) -> bool:
        """Whether a run is to stop and ask.

        Args:
            due: how many messages and files it would erase.
            held: how many there are in all.
        """
        return due > self.most or (due >= self.share_from and due > self.most_share * held)
