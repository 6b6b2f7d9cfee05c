"""Parts that many practices have alike are one object, so that a whole country fits into memory."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar, cast

_Part = TypeVar("_Part")
_MOST = 65_536


@lru_cache(maxsize=_MOST)
def _first(part: object) -> object:
    return part


def shared(part: _Part) -> _Part:
    """The first part that is equal; parts cannot be changed, so nobody can tell."""
    return cast("_Part", _first(part))
