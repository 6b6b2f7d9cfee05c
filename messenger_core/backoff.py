"""How long to wait before something is tried again: twice as long after each failure, up to a limit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double.

    Attributes:
        first_s: the wait after the first failure, in seconds.
        most_s: the longest wait, in seconds.
    """

    first_s: float
    most_s: float

    def __post_init__(self) -> None:
        """Refuses waits that are none.

        Raises:
            ValueError: unless ``0 < first_s <= most_s``.
        """
        if not 0 < self.first_s <= self.most_s:
            raise ValueError(f"waits from {self.first_s} to {self.most_s} seconds are not possible")

    def wait_s(self, failures: int) -> float:
        """The wait after so many failures in a row, in seconds; none after none.

        Raises:
            ValueError: if ``failures`` is negative.
        """
        if failures < 0:
            raise ValueError(f"{failures} failures are not possible")
        if failures == 0:
            return 0.0
        # A float has room for 2**1023; long before that, every wait is the longest.
        return min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 200))
