"""How long a piece of work waits after it failed: longer each time, and no other work waits with it."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 300.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    until_s: float
    pause_s: float


class Patience:
    """Pauses by the name of the work; kept in memory, since after a restart everything is worth a try."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def may_try(self, work: str, now_s: float) -> bool:
        """Whether the pause of this work is over; ``now_s`` is a monotonic clock's time in seconds."""
        waiting = self._waiting.get(work)
        return waiting is None or now_s >= waiting.until_s

    def failed(self, work: str, now_s: float) -> None:
        """The work failed; its pause doubles."""
        before = self._waiting.get(work)
        pause_s = min(before.pause_s * 2, _LONGEST_PAUSE_S) if before else _FIRST_PAUSE_S
        self._waiting[work] = _Waiting(now_s + pause_s, pause_s)

    def wait(self, work: str, now_s: float, pause_s: float) -> None:
        """The work cannot be done before somebody else has acted; a look after the pause is enough."""
        self._waiting[work] = _Waiting(now_s + pause_s, _FIRST_PAUSE_S)

    def succeeded(self, work: str) -> None:
        """The work is done, or may be tried at once."""
        self._waiting.pop(work, None)
