"""Where practices are on the map."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from directory_service.rules.index.postings import Flags, Slots, joined
from directory_service.rules.index.query import MAX_DISTANCE_M
from directory_service.rules.index.room import grown
from directory_service.rules.places import EARTH_RADIUS_M
from directory_service.rules.profile import Position


class MapPlaces:
    """Where the slots are: points on the unit sphere, and a grid of cells of a tenth of a degree."""

    def __init__(self) -> None:
        self._points: NDArray[np.float64] = np.zeros((3, 0))
        self._placed: Flags = np.zeros(0, dtype=np.bool_)
        self._cells: dict[tuple[int, int], array[int]] = {}

    def make_room(self, room: int) -> None:
        """Slots below ``room`` may come."""
        self._points = grown(self._points, room)
        self._placed = grown(self._placed, room)

    def insert(self, slot: int, position: Position | None) -> None:
        """Takes a slot in."""
        if position is None:
            return
        self._placed[slot] = True
        self._points[:, slot] = _point(position)
        self._cells.setdefault(_cell(position), array("I")).append(slot)

    def load(self, positions: Sequence[Position | None]) -> None:
        """Takes slots 0, 1, 2, … in."""
        placed = [(slot, position) for slot, position in enumerate(positions) if position is not None]
        slots = [slot for slot, _ in placed]
        self._placed[slots] = True
        self._points[:, slots] = np.array([_point(position) for _, position in placed]).reshape(-1, 3).T
        for slot, position in placed:
            self._cells.setdefault(_cell(position), array("I")).append(slot)

    def remove(self, slot: int, position: Position | None) -> None:
        """Takes a slot out that stood at a position."""
        if position is not None:
            self._placed[slot] = False
            self._cells[_cell(position)].remove(slot)

    def around(self, origin: Position, within_m: float) -> Slots:
        """All slots within a distance, and some that are farther away, each once."""
        south = math.degrees(within_m / EARTH_RADIUS_M)
        low, high = origin.latitude - south, origin.latitude + south
        widest = math.cos(math.radians(min(89.0, max(abs(low), abs(high)))))
        east = min(180.0, south / widest * 1.01 + 0.001)
        (first_row, first_column), (last_row, last_column) = (
            _cell(Position(low, origin.longitude - east)),
            _cell(Position(high, origin.longitude + east)),
        )
        rows, columns = range(first_row, last_row + 1), range(first_column, last_column + 1)
        if len(rows) * len(columns) > len(self._cells) or high >= 89 or low <= -89 or not _near_greenwich(columns):
            return joined(self._cells.values())
        cells = self._cells
        return joined([cells[row, column] for row in rows for column in columns if (row, column) in cells])

    def distances_m(self, origin: Position, slots: Slots) -> NDArray[np.float64]:
        """How far slots are from a point, in metres; ``inf`` for those without a place."""
        points = self._points.take(slots, axis=1)
        points -= np.array(_point(origin))[:, np.newaxis]
        points *= points
        chords = np.sqrt(points.sum(axis=0))
        distances: NDArray[np.float64] = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(chords / 2, 1.0))
        distances[~self._placed[slots]] = np.inf
        return distances


def whole_metres(distances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Distances as they order practices; an unknown one is farther than any other."""
    metres: NDArray[np.int64] = np.rint(np.minimum(distances, MAX_DISTANCE_M)).astype(np.int64)
    return metres


def _point(position: Position) -> tuple[float, float, float]:
    latitude, longitude = math.radians(position.latitude), math.radians(position.longitude)
    return math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude), math.sin(latitude)


def _cell(position: Position) -> tuple[int, int]:
    return math.floor(position.latitude * 10), math.floor(position.longitude * 10)


def _near_greenwich(columns: range) -> bool:
    """Whether a stretch of cells does not touch the line where longitudes begin anew."""
    return columns.start >= -1799 and columns.stop <= 1800
