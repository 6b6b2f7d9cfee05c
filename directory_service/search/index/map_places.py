"""Where practices are on the map."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from directory_service.rules.places import EARTH_RADIUS_M
from directory_service.rules.profile import Position
from directory_service.search.index.postings import SlotArray, Slots, bitmap, together
from directory_service.search.index.query import MAX_DISTANCE_M
from directory_service.search.index.room import grown

Metres = NDArray[np.int64]
Bounds = NDArray[np.uint64]
"""The first place in a strip, the one after the last, then those of the next strip, and so on."""

_SAME = 1e-26
"""The square of half a chord between equal points, whose sines may differ in the last digit; some micrometres."""
_STRIPS = 20
"""So many strips are in a degree: of those that cross a circle of ten kilometres little lies outside it."""
_MOST_STRIPS = 400
_STRIP_BITS, _EAST_BITS, _SLOT_BITS = 12, 20, 32
_EAST = (2**_EAST_BITS - 1) / 360
_NOWHERE = 2**64 - 1


class PositionColumn:
    """Positions one behind another, for a load: 16 bytes each."""

    def __init__(self) -> None:
        self._degrees = array("d")

    def append(self, position: Position | None) -> None:
        """Takes the next one in."""
        self._degrees.extend((math.nan, math.nan) if position is None else (position.latitude, position.longitude))

    def in_order(self, order: Sequence[int]) -> NDArray[np.float64]:
        """Latitudes and longitudes in an order; not a number where nothing is known."""
        return np.frombuffer(self._degrees).reshape(-1, 2)[np.array(order, dtype=np.intp)].T


class Strips:
    """Slots in strips of the map from south to north, in each from west to east: a sorted number for each."""

    def __init__(self) -> None:
        self._numbers = array("Q")

    def load(self, numbers: NDArray[np.uint64]) -> None:
        """Takes slots in by their numbers; there are none yet."""
        self._numbers = array("Q", np.sort(numbers).tobytes())

    def insert(self, number: int) -> None:
        """Takes a slot in."""
        insort(self._numbers, number)

    def remove(self, number: int) -> None:
        """Takes a slot out."""
        del self._numbers[bisect_left(self._numbers, number)]

    def between(self, bounds: Bounds | None) -> list[Bounds]:
        """The numbers of the slots that are between some bounds; without bounds all of them."""
        if not self._numbers:
            return []
        numbers = np.frombuffer(self._numbers, dtype=np.uint64)
        if bounds is None:
            return [numbers]
        places = numbers.searchsorted(bounds).tolist()
        return [numbers[first:end] for first, end in zip(places[::2], places[1::2], strict=True) if first < end]


class MapPlaces:
    """Where the slots are: points on a sphere, strips of all slots and of those of each specialty, a set by strip."""

    def __init__(self) -> None:
        self._points: NDArray[np.float64] = np.zeros((3, 0))
        self._numbers: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)
        self._strips = Strips()
        self._sets: defaultdict[int, Slots] = defaultdict(Slots)
        self._by_specialty: dict[str, Strips] = defaultdict(Strips)

    def make_room(self, room: int) -> None:
        """Slots below ``room`` may come."""
        self._points = grown(self._points, room)
        self._numbers = grown(self._numbers, room)

    def load(self, positions: PositionColumn, order: Sequence[int]) -> None:
        """Takes slots 0, 1, 2, … in, whose positions stand in an order; ``load_specialty`` follows."""
        latitudes, longitudes = positions.in_order(order)
        known = ~np.isnan(latitudes)
        north, east = np.radians(latitudes), np.radians(longitudes)
        level = 0.5 * np.cos(north)
        points = [level * np.cos(east), level * np.sin(east), 0.5 * np.sin(north)]
        for place, values in enumerate(points):
            self._points[place, : len(order)] = np.where(known, values, np.inf)
        where = np.flatnonzero(known)
        strips = np.floor(latitudes[where] * _STRIPS) + 90 * _STRIPS
        easts = np.floor((longitudes[where] + 180) * _EAST)
        numbers = (strips.astype(np.uint64) << (_EAST_BITS + _SLOT_BITS)) | (easts.astype(np.uint64) << _SLOT_BITS)
        self._numbers[: len(order)] = _NOWHERE
        self._numbers[where] = numbers | where.astype(np.uint64)
        self._strips.load(self._numbers[where])
        # ``where`` goes up, so the slots of a strip stay in their order.
        by_strip = strips.argsort(kind="stable")
        ends = np.flatnonzero(np.diff(strips[by_strip])) + 1
        for places in np.split(by_strip, ends) if len(where) else ():
            self._sets[int(strips[places[0]])] = bitmap(where[places])

    def load_specialty(self, code: str, slots: SlotArray) -> None:
        """Says which slots have a specialty, after all were loaded."""
        numbers = self._numbers[slots]
        self._by_specialty[code].load(numbers[numbers != _NOWHERE])

    def insert(self, slot: int, position: Position | None, specialties: Iterable[str]) -> None:
        """Takes a slot in."""
        self._points[:, slot] = np.inf if position is None else _point(position)
        number = _NOWHERE if position is None else _number(position.latitude, position.longitude) | slot
        self._numbers[slot] = number
        if position is not None:
            self._sets[number >> _EAST_BITS + _SLOT_BITS].add(slot)
            for strips in self._strips_of(specialties):
                strips.insert(number)

    def remove(self, slot: int, specialties: Iterable[str]) -> None:
        """Takes a slot out that was taken in with some specialties."""
        number = int(self._numbers[slot])
        if number != _NOWHERE:
            self._sets[number >> _EAST_BITS + _SLOT_BITS].discard(slot)
            for strips in self._strips_of(specialties):
                strips.remove(number)

    def as_far_north(self, origin: Position, within_m: float) -> Slots:
        """All slots in the strips that a circle touches, however far west or east; not to be changed."""
        south = math.degrees(within_m / EARTH_RADIUS_M) + 1e-9  # a bit more, since both are rounded
        first, last = _strip(max(-90.0, origin.latitude - south)), _strip(min(90.0, origin.latitude + south))
        return together([self._sets[strip] for strip in range(first, last + 1) if strip in self._sets])

    def around(self, origin: Position, within_m: float, specialties: Iterable[str] | None) -> list[Bounds]:
        """Where all slots within a distance are, and some that are farther away; ``slots_at`` tells which.

        Args:
            origin: from where the distance counts.
            within_m: the distance.
            specialties: only slots that have one of them; those that have several come several times.
        """
        bounds = _bounds(origin, within_m)
        if specialties is None:
            return self._strips.between(bounds)
        found = [self._by_specialty[code].between(bounds) for code in specialties if code in self._by_specialty]
        return [part for parts in found for part in parts]

    def measured(self, origin: Position, slots: SlotArray, within_m: float | None) -> tuple[SlotArray, Metres]:
        """How far slots are from a point, in whole metres; an unknown place is farther than any other.

        Returns:
            The places in ``slots`` of those that are within a distance, if there is one; and their distances.
        """
        apart = self._points.take(slots, axis=1, mode="clip")  # all are inside: only then it does not look twice
        apart -= np.array(_point(origin))[:, np.newaxis]
        apart *= apart
        squares: NDArray[np.float64] = np.add.reduce(apart)
        inside: SlotArray
        if within_m is None:
            inside = np.arange(len(slots))
        else:
            inside = (squares <= _square_of_half_chord(within_m)).nonzero()[0]
            squares = squares.take(inside)
        distances = np.sqrt(np.minimum(squares, 1.0))
        np.arcsin(distances, out=distances)
        distances *= 2 * EARTH_RADIUS_M
        metres: Metres = np.rint(distances, out=distances).astype(np.int64)
        if within_m is None:
            metres[np.isinf(squares)] = MAX_DISTANCE_M
        return inside, metres

    def _strips_of(self, specialties: Iterable[str]) -> list[Strips]:
        return [self._strips, *(self._by_specialty[code] for code in set(specialties))]


def slots_at(found: Sequence[Bounds]) -> NDArray[np.uint32]:
    """The slots that ``MapPlaces.around`` found, in no order."""
    if not found:
        return np.zeros(0, dtype=np.uint32)
    return np.concatenate(found).astype(np.uint32)  # the other bits are cut off


def _bounds(origin: Position, within_m: float) -> Bounds | None:
    """Between which places in which strips all slots within a distance are; None if that can be anywhere."""
    south = math.degrees(within_m / EARTH_RADIUS_M) + 1e-9  # a bit more, since both are rounded
    low, high = origin.latitude - south, origin.latitude + south
    if low <= -89 or high >= 89:
        return None
    widest = math.cos(math.radians(max(abs(low), abs(high))))
    east = south / widest * 1.01 + 0.001
    west, east = origin.longitude - east, origin.longitude + east
    # Where longitudes begin anew, strips would be in two parts.
    if west < -180 or east > 180 or (high - low) * _STRIPS > _MOST_STRIPS:
        return None
    first, after_last = _number(low, west), _number(low, east) + (1 << _SLOT_BITS)
    count = math.floor(high * _STRIPS) - math.floor(low * _STRIPS) + 1
    strip = 1 << _EAST_BITS + _SLOT_BITS
    numbers = [number + place * strip for place in range(count) for number in (first, after_last)]
    return np.frombuffer(array("Q", numbers), dtype=np.uint64)


def _square_of_half_chord(distance_m: float) -> float:
    """Of the straight line between points on the unit sphere that are so far apart; ``inf`` never is."""
    half = math.sin(min(distance_m / EARTH_RADIUS_M, math.pi) / 2)
    return half * half * (1 + 1e-15) + _SAME


def _point(position: Position) -> tuple[float, float, float]:
    """On a sphere of half the radius: between two points is the sine of half the angle, as distances need it."""
    latitude, longitude = math.radians(position.latitude), math.radians(position.longitude)
    level = 0.5 * math.cos(latitude)
    return level * math.cos(longitude), level * math.sin(longitude), 0.5 * math.sin(latitude)


def _number(latitude: float, longitude: float) -> int:
    """The strip of a point, how far east it is in it, and bits for a slot."""
    east: int = math.floor((longitude + 180) * _EAST)
    return _strip(latitude) << _EAST_BITS + _SLOT_BITS | east << _SLOT_BITS


def _strip(latitude: float) -> int:
    """The strip of all points with a latitude."""
    return math.floor(latitude * _STRIPS) + 90 * _STRIPS
