"""Where postcodes are, and how far it is from one point to another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from directory_service.rules.profile import Address, Position

EARTH_RADIUS_M = 6_371_000.0


def distance_m(one: Position, other: Position) -> float:
    """How far apart two points are in metres, on a sphere (up to 0.5 % off the real Earth)."""
    latitude, other_latitude = math.radians(one.latitude), math.radians(other.latitude)
    north = math.sin((other_latitude - latitude) / 2)
    east = math.sin(math.radians(other.longitude - one.longitude) / 2)
    square = north * north + math.cos(latitude) * math.cos(other_latitude) * east * east
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(square)))


class PostcodeCentroids:
    """The middle of each postcode's area."""

    def __init__(self, positions: Mapping[str, Position]) -> None:
        self._positions = positions

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> PostcodeCentroids:
        """Takes ``postcode,latitude,longitude`` lines; those that begin with ``#`` are remarks."""
        positions = {}
        for line in lines:
            if line and not line.startswith("#"):
                postcode, latitude, longitude = line.split(",")
                positions[postcode] = Position(float(latitude), float(longitude))
        return cls(positions)

    def __len__(self) -> int:
        return len(self._positions)

    def of(self, postcode: str) -> Position | None:
        """The middle of a postcode's area; None if the postcode is unknown."""
        return self._positions.get(postcode)

    def beginning_with(self, beginning: str) -> Position | None:
        """The middle of all postcodes that begin so, for people who type a part of one; None if there are none."""
        found = [position for postcode, position in self._positions.items() if postcode.startswith(beginning)]
        if not found:
            return None
        latitude = sum(position.latitude for position in found) / len(found)
        return Position(latitude, sum(position.longitude for position in found) / len(found))

    def locate(self, address: Address | None) -> Position | None:
        """Where a practice is: what it said itself, or else the middle of its postcode's area."""
        if address is None:
            return None
        return address.position or self.of(address.postcode)
