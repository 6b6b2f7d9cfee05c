"""What the messages of the proof say, and how one is told from the other: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NUMBER, _ANSWERS, _OWN = "de.hek.proof.number", "de.hek.proof.answers", "de.hek.proof.own"


def message(number: int) -> dict[str, Any]:
    """The content of a client's message."""
    return {"msgtype": "m.text", "body": f"message {number}", _NUMBER: number}


def answer_to(event_id: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """The content of the service's answer to an event; None to what is no message of a client."""
    if _NUMBER not in content:
        return None
    return {"msgtype": "m.notice", "body": f"answer to {content[_NUMBER]}", _ANSWERS: event_id}


def own(number: int) -> dict[str, Any]:
    """The content of a message that the service sends by itself."""
    return {"msgtype": "m.notice", "body": f"own {number}", _OWN: number}


def answered(content: Mapping[str, Any]) -> str | None:
    """The event that a message of the service answers."""
    return content.get(_ANSWERS)


def own_number(content: Mapping[str, Any]) -> int | None:
    """The number of a message that the service sent by itself."""
    return content.get(_OWN)
