"""A point and how far around it: ``location.near`` and the coordinates of ``_query=near``."""

from __future__ import annotations

import re
from typing import NamedTuple

from directory_service.rules.fhir.values import FaultyParameter

MAX_DISTANCE_M = 100_000
DEFAULT_DISTANCE_M = 10_000
_NUMBER = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,15})?")
_DISTANCE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")
_UNITS = {"km": 1000.0, "m": 1.0}


class Near(NamedTuple):
    """A circle on the map: degrees (WGS 84) and metres."""

    latitude: float
    longitude: float
    distance_m: float


def _degrees(parameter: str, text: str, limit: int) -> float:
    if not _NUMBER.fullmatch(text) or not -limit <= (degrees := float(text)) <= limit:
        raise FaultyParameter(parameter, "near")
    return degrees


def distance_m(parameter: str, text: str, unit: str) -> float:
    """A distance in metres, more than 0 and at most 100 km.

    Raises:
        FaultyParameter: ``near``.
    """
    if not _DISTANCE.fullmatch(text) or unit not in _UNITS:
        raise FaultyParameter(parameter, "near")
    metres = float(text) * _UNITS[unit]
    if not 0 < metres <= MAX_DISTANCE_M:
        raise FaultyParameter(parameter, "near")
    return metres


def circle(parameter: str, latitude: str, longitude: str, distance: float) -> Near:
    """A circle from texts.

    Raises:
        FaultyParameter: ``near``, if latitude or longitude are not degrees.
    """
    return Near(_degrees(parameter, latitude, 90), _degrees(parameter, longitude, 180), distance)


def read_near(parameter: str, value: str) -> Near:
    """Reads ``latitude|longitude[|distance[|unit]]``; without a distance 10 km, without a unit km.

    Raises:
        FaultyParameter: ``near``.
    """
    parts = value.split("|")
    if not 2 <= len(parts) <= 4:
        raise FaultyParameter(parameter, "near")
    latitude, longitude, distance, unit, *_ = (*parts, "", "")
    metres = distance_m(parameter, distance, unit or "km") if distance else float(DEFAULT_DISTANCE_M)
    return circle(parameter, latitude, longitude, metres)
