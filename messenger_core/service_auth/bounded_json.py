"""JSON of tokens and statements, with numbers that can be reckoned with (RFC 7493, 2.2): nothing beyond 2**53.

Python reads ``1e999`` as infinity, ``NaN`` as a number, and 400 digits as a number that no float can be compared with:
a token with one of them as its end would never be over, or make its reader fail.
"""

from __future__ import annotations

import json
from typing import Any

LARGEST = 2**53
_MOST_DIGITS = 20


class BoundedDecoder(json.JSONDecoder):
    """Reads JSON, for ``json.loads(…, cls=BoundedDecoder)``; a number that is too large is a ``ValueError``."""

    def __init__(self) -> None:
        super().__init__(parse_int=_integer, parse_float=_fraction, parse_constant=_no_number)


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS or abs(int(digits)) > LARGEST:
        raise ValueError("a whole number beyond 2**53")
    return int(digits)


def _fraction(digits: str) -> float:
    value = float(digits)
    if not abs(value) <= LARGEST:
        raise ValueError("a number beyond 2**53")
    return value


def _no_number(_constant: str) -> None:
    raise ValueError("a constant that JSON does not have")


def read_object(content: str | bytes) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        ValueError: if it is something else, has a number beyond ``LARGEST``, or is nested too deeply.
    """
    try:
        value = json.loads(content, cls=BoundedDecoder)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - the caller handles one kind of fault
    return value
