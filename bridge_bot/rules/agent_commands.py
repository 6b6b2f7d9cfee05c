"""Rule: what an agent's message in a ticket's thread means. Whatever is not clearly an answer stays internal."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Case is folded before the comparison, which also turns "schließen" into "schliessen".
_ANSWER = frozenset({"antwort", "a", "answer", "reply"})
_CLOSE = frozenset({"schliessen", "close"})
_COMMAND = re.compile(r"!(\w+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """For the insured person; ``text`` is empty only for a file without a caption."""

    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """The ticket is to be closed; ``reason`` may be empty."""

    reason: str


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    """Starts like a command and is none, or lacks its text; nothing is relayed."""


@dataclass(frozen=True, slots=True)
class Note:
    """Internal; never reaches the insured person."""


AgentMessage = Answer | Close | UnknownCommand | Note


def read_agent_message(text: str, *, is_file: bool) -> AgentMessage:
    """Reads a message of an agent.

    Args:
        text: its text, or the caption of a file (empty if it has none); a file's name is not a caption.
        is_file: whether it is a file.
    """
    found = _COMMAND.match(text)
    if found is None:
        return Note()
    name, rest = found[1].casefold(), text[found.end() :]
    if rest and not rest[0].isspace():
        return UnknownCommand()
    if name in _ANSWER and (rest.strip() or is_file):
        return Answer(rest.strip())
    if name in _CLOSE and not is_file:
        return Close(rest.strip())
    return UnknownCommand()
