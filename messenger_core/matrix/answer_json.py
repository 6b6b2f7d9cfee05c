"""Reads the homeserver's JSON, in which strangers' content stands: nobody can make a whole answer unreadable.

Python's reader and writer of JSON give up on deep nesting and on very long numbers. One such message in an answer to
``/sync`` would make that answer unreadable, now and whenever it is asked for again, so the session would stand still.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Deeper than any event that Synapse takes into a room (127), far below what Python bears.
DEEPEST = 200
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[][{}]', re.DOTALL)
_LONGEST_NUMBER = 400


def read_answer(raw: bytes) -> Any:
    """Parses an answer; what is nested deeper than ``DEEPEST`` levels becomes null, a number without end 0.

    Raises:
        ValueError: if it is no JSON.
    """
    if _may_be_too_deep(raw):
        raw = _cut(raw)
    try:
        return json.loads(raw)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return json.loads(raw, parse_int=_bounded)


def _bounded(digits: str) -> int:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else 0


def _may_be_too_deep(raw: bytes) -> bool:
    """False if it surely is not; brackets inside strings may make it say True."""
    brackets = raw.translate(None, delete=_NO_BRACKETS)
    for _ in range(DEEPEST):
        # Takes the innermost level away.
        fewer = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return bool(brackets)


def _cut(raw: bytes) -> bytes:
    kept: list[bytes] = []
    start = depth = 0
    for token in _STRING_OR_BRACKET.finditer(raw):
        sign = raw[token.start()]
        if sign in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(raw[start : token.start()])
        elif sign in b"]}":
            if depth == DEEPEST + 1:
                kept.append(b"null")
                start = token.end()
            depth -= 1
    if depth:
        raise ValueError("a bracket is not closed")
    return b"".join([*kept, raw[start:]])
