"""What an insured person's message to the service account means; without a clear word no chat is ever left."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

SHORTEST_PERIOD_MONTHS = 1
LONGEST_PERIOD_MONTHS = 120

_LEAVE = r"(?:VERLASSEN|LEAVE)"
_KEEP = re.compile(r"(?:BEHALTEN|KEEP)")
_LEAVE_ALL = re.compile(_LEAVE)
# A list with nothing but numbers, commas and "und": anything else could turn the meaning round.
_LEAVE_SOME = re.compile(rf"(?:{_LEAVE}:? ?)?([0-9]{{1,3}}(?:(?:,| |UND|AND|\+|&)+[0-9]{{1,3}})*)")
_PERIOD = re.compile(r"(?:FRIST|PERIOD):? ?([0-9]{1,9}|NIE|NEVER)(?: ?(?:MONATE?|MONTHS?))?")
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave the chats with these numbers of the list; None means all that are named in the offer."""

    numbers: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep all chats of the offer."""


@dataclass(frozen=True, slots=True)
class SetPeriod:
    """Offer chats after this many months; None means never."""

    months: int | None


class Unclear(StrEnum):
    """Why a message is answered with an explanation only."""

    NOT_UNDERSTOOD = "not-understood"
    PERIOD_OUT_OF_RANGE = "period-out-of-range"


Reply = Leave | Keep | SetPeriod | Unclear


def read_reply(body: str) -> Reply:
    """Reads a message.

    Args:
        body: the text of the message; lines that quote another message (``> …``) are not the person's word.
    """
    lines = [line for line in body.splitlines() if not line.lstrip().startswith(">")]
    words = " ".join(" ".join(lines).split()).upper().rstrip(".!").rstrip().strip("„“”\"'")
    if _LEAVE_ALL.fullmatch(words):
        return Leave(None)
    if _KEEP.fullmatch(words):
        return Keep()
    if some := _LEAVE_SOME.fullmatch(words):
        return Leave(frozenset(int(number) for number in _NUMBER.findall(some[1])))
    if period := _PERIOD.fullmatch(words):
        return _period(period[1])
    return Unclear.NOT_UNDERSTOOD


def _period(value: str) -> Reply:
    if not value.isdecimal():
        return SetPeriod(None)
    months = int(value)
    if SHORTEST_PERIOD_MONTHS <= months <= LONGEST_PERIOD_MONTHS:
        return SetPeriod(months)
    return Unclear.PERIOD_OUT_OF_RANGE
