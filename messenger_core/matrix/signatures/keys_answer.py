"""Looks into answers to ``/keys/query`` without trusting their form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def listed(answer: Mapping[str, Any], *place: str) -> dict[str, Any] | None:
    """The object at some place of an answer, e.g. ``"device_keys", owner, device_id``; None if there is none."""
    found: Any = answer
    for name in place:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, dict) else None
