"""Reads JSON that anybody may have written: a plain object of bounded depth, or a ValueError."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

# Far above what any client nests, far below what Python's own reading and writing of JSON bears.
DEEPEST = 100
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def parse_object(text: str) -> dict[str, Any]:
    """Parses a JSON object.

    Half characters (lone surrogates), which no database and no socket takes, become U+FFFD.

    Raises:
        ValueError: if it is no JSON object (NaN is no JSON), or nested deeper than ``DEEPEST``.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        whole = _checked(value, 1)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(whole, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - one exception for whatever a stranger wrote
    return whole


def _checked(value: Any, depth: int) -> Any:
    """The value with half characters replaced, if it is not nested too deeply."""
    if isinstance(value, str):
        return value if value.isascii() else _LONE_SURROGATE.sub("\ufffd", value)
    if not isinstance(value, dict | list):
        return value
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {_checked(key, depth): _checked(part, depth + 1) for key, part in value.items()}
    return [_checked(part, depth + 1) for part in value]
