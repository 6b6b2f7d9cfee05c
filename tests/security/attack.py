"""What a row of the table of attacks is, and what came of one that was tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.security.house import House


class Component(StrEnum):
    """What is attacked."""

    HOMESERVER = "homeserver"
    BROKER = "broker"
    DIRECTORY = "directory"
    BOT = "bot"
    RETENTION = "retention"
    PROXY = "proxy"

    @property
    def longest_wait_ms(self) -> float:
        """How long others may wait for an answer while it is attacked; tests allow ten times as long."""
        return 50.0 if self is Component.DIRECTORY else 200.0


class Kind(StrEnum):
    """The threat, as docs/security.md describes it."""

    COSTLY_REQUEST = "a request that costs much"
    HEAVY_BODY = "a body that costs more than it weighs"
    HALF_REQUEST = "a request that is never finished"
    FLOOD = "many requests"
    FOREIGN_LIMIT = "a limit that is filled for somebody else"
    FALSE_NAME = "a name that poses as another's"
    LASTING_SESSION = "a session that outlives its right"
    FALSE_PROOF = "a forged token, statement or device"
    MISSING_RIGHT = "a call without the right"
    SCRIPT = "a script or an address in a page"
    FALSE_CONTENT = "a message or file that is not what it says"
    OPEN_DOOR = "an address that should be closed"
    REACHING_OUT = "a call that the service is made to make"
    LOG = "what is written into a log"

    @property
    def is_about_time(self) -> bool:
        """Whether others could be kept waiting by it; its attempts then say how long somebody waited."""
        return self in {Kind.COSTLY_REQUEST, Kind.HEAVY_BODY, Kind.HALF_REQUEST, Kind.FLOOD}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attack.

    Attributes:
        stopped: whether the attack came to nothing.
        allowed: whether the honest request beside it, as like it as can be, was served: the positive control.
        said: what the attacker was answered, for whoever reads a failure.
        longest_wait_ms: how long an honest request of somebody else took at most while the attack lasted; None where
            the attack is not about time.
    """

    stopped: bool
    allowed: bool
    said: str
    longest_wait_ms: float | None = None


@dataclass(frozen=True)
class Attack:
    """One row.

    Attributes:
        name: what is tried, in a few words; unique.
        component: what is attacked.
        kind: the threat.
        limit: what stops it, with its value where it has one.
        others_notice: what everybody else notices of it.
        attempt: tries it, with its positive control.
    """

    name: str
    component: Component
    kind: Kind
    limit: str
    others_notice: str
    attempt: Callable[[House], Awaitable[Outcome]]
