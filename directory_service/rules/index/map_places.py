"""Where practices are on the map."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from directory_service.rules.index.postings import Slots
from directory_service.rules.index.query import MAX_DISTANCE_M
from directory_service.rules.index.room import grown
from directory_service.rules.places import EARTH_RADIUS_M
from directory_service.rules.profile import Position

SlotArray = NDArray[np.intp]
Metres = NDArray[np.int64]
Cell = tuple[int, int]
_SAME = 1e-26
"""The square of a chord between equal points, whose sines may differ in the last digit; some micrometres."""


class MapPlaces:
    """Where the slots are: points on the unit sphere, and a grid of cells of a tenth of a degree."""

    def __init__(self) -> None:
        self._points: NDArray[np.float64] = np.zeros((3, 0))
        self._cells: dict[Cell, Slots] = defaultdict(Slots)

    def make_room(self, room: int) -> None:
        """Slots below ``room`` may come."""
        self._points = grown(self._points, room)

    def insert(self, slot: int, position: Position | None) -> None:
        """Takes a slot in."""
        self._points[:, slot] = np.inf if position is None else _point(position)
        if position is not None:
            self._cells[_cell(position)].add(slot)

    def load(self, positions: Sequence[Position | None]) -> None:
        """Takes slots 0, 1, 2, … in."""
        for slot, position in enumerate(positions):
            self.insert(slot, position)

    def remove(self, slot: int, position: Position | None) -> None:
        """Takes a slot out that stood at a position."""
        if position is not None:
            cell = _cell(position)
            self._cells[cell].remove(slot)
            if not self._cells[cell]:
                del self._cells[cell]

    def cells(self, origin: Position, within_m: float) -> list[Slots]:
        """The cells in which all slots within a distance are, and some that are farther away."""
        south = math.degrees(within_m / EARTH_RADIUS_M)
        low, high = origin.latitude - south, origin.latitude + south
        widest = math.cos(math.radians(min(89.0, max(abs(low), abs(high)))))
        east = min(180.0, south / widest * 1.01 + 0.001)
        west, east = origin.longitude - east, origin.longitude + east
        rows = range(_tenth(low), _tenth(high) + 1)
        columns = range(_tenth(west), _tenth(east) + 1)
        if len(rows) * len(columns) > len(self._cells) or high >= 89 or low <= -89 or not _near_greenwich(columns):
            return list(self._cells.values())
        cells = map(self._cells.get, [(row, column) for row in rows for column in columns])
        return [cell for cell in cells if cell]

    def measured(self, origin: Position, slots: SlotArray, within_m: float | None) -> tuple[SlotArray, Metres]:
        """How far slots are from a point, in whole metres; an unknown place is farther than any other.

        Returns:
            The slots that are within a distance, if there is one; and their distances.
        """
        apart = self._points.take(slots, axis=1)
        apart -= np.array(_point(origin))[:, np.newaxis]
        apart *= apart
        squares: NDArray[np.float64] = apart.sum(axis=0)
        if within_m is not None:
            inside = squares <= _square_of_chord(within_m)
            slots, squares = slots[inside], squares[inside]
        distances = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(np.sqrt(squares) / 2, 1.0))
        metres: Metres = np.rint(distances).astype(np.int64)
        if within_m is None:
            metres[np.isinf(squares)] = MAX_DISTANCE_M
        return slots, metres


def _square_of_chord(distance_m: float) -> float:
    """The square of the straight line between points on the unit sphere that are so far apart; ``inf`` never is."""
    chord = 2 * math.sin(min(distance_m / EARTH_RADIUS_M, math.pi) / 2)
    return chord * chord * (1 + 1e-15) + _SAME


def _point(position: Position) -> tuple[float, float, float]:
    latitude, longitude = math.radians(position.latitude), math.radians(position.longitude)
    return math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude), math.sin(latitude)


def _tenth(degrees: float) -> int:
    return math.floor(degrees * 10)


def _cell(position: Position) -> Cell:
    return _tenth(position.latitude), _tenth(position.longitude)


def _near_greenwich(columns: range) -> bool:
    """Whether a stretch of cells does not touch the line where longitudes begin anew."""
    return columns.start >= -1799 and columns.stop <= 1800
