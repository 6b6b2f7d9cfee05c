"""The grid of the map never loses a practice that is near enough, wherever on Earth it is."""

from __future__ import annotations

import random

import numpy as np
import pytest

from directory_service.rules.places import distance_m
from directory_service.rules.profile import Position
from directory_service.search.index.map_places import MapPlaces, slots_at
from directory_service.search.index.query import MAX_DISTANCE_M

ORIGINS = [
    Position(52.52, 13.4),
    Position(47.3, 10.2),
    Position(54.9, 8.3),
    Position(0.0, 0.0),
    Position(-33.9, 179.99),
]
CODES = ((), ("ALLG",), ("ALLG", "HAUT"))


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("within_m", [500.0, 10_000.0, 100_000.0])
def test_all_that_are_within_a_distance_are_found(origin: Position, within_m: float) -> None:
    chance = random.Random(int(within_m))
    places = MapPlaces()
    places.make_room(5000)
    positions = []
    for slot in range(5000):
        spread = chance.choice([within_m / 111_000 * 2, 3.0])
        longitude = (origin.longitude + chance.uniform(-2, 2) * spread + 180) % 360 - 180
        positions.append(Position(origin.latitude + chance.uniform(-1, 1) * spread, longitude))
        places.insert(slot, positions[-1], CODES[slot % 3])
    near = {slot for slot, position in enumerate(positions) if distance_m(origin, position) <= within_m}
    assert set(places.as_far_north(origin, within_m)) >= near
    around = slots_at(places.around(origin, within_m, None)).astype(np.intp)
    for codes in (["ALLG"], ["HAUT"], ["ALLG", "HAUT"], ["KIJU"]):
        some = set(slots_at(places.around(origin, within_m, codes)).tolist())
        assert some == {slot for slot in around.tolist() if not set(codes).isdisjoint(CODES[slot % 3])}
    inside, metres = places.measured(origin, around, within_m)
    found = around[inside]
    assert set(found.tolist()) == near
    assert metres.tolist() == [round(distance_m(origin, positions[slot])) for slot in found.tolist()]
    assert 10 < len(near) < 4990
    gone = list(near)[:5]
    for slot in gone:
        places.remove(slot, CODES[slot % 3])
        places.insert(slot, None, CODES[slot % 3])
    assert not set(gone) & set(places.as_far_north(origin, within_m))
    for asked in (None, ["ALLG", "HAUT"]):
        assert not set(gone) & set(slots_at(places.around(origin, within_m, asked)).tolist())
    assert places.measured(origin, np.array(gone), None)[1].tolist() == [MAX_DISTANCE_M] * 5
