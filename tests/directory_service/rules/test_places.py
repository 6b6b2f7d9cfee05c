"""Postcodes that come with the package lie where they are, and distances are what a map says."""

import pytest

from directory_service.adapters.postcode_file import read_postcodes
from directory_service.rules.places import PostcodeCentroids, distance_m
from directory_service.rules.profile import Address, Position

POSTCODES = read_postcodes()


@pytest.mark.parametrize(
    ("postcode", "near"),
    [
        ("10115", Position(52.53, 13.38)),
        ("20095", Position(53.55, 10.00)),
        ("80331", Position(48.14, 11.57)),
        ("50667", Position(50.94, 6.95)),
        ("01067", Position(51.06, 13.72)),
        ("99998", Position(51.23, 10.60)),
    ],
)
def test_postcodes_are_where_they_are(postcode: str, near: Position) -> None:
    position = POSTCODES.of(postcode)
    assert position is not None
    assert distance_m(position, near) < 5_000


def test_nearly_all_postcodes_of_germany_are_there_and_in_germany() -> None:
    assert len(POSTCODES) > 8_000
    assert POSTCODES.of("99999") is None
    found = [position for number in range(100_000) if (position := POSTCODES.of(f"{number:05}"))]
    assert all(47.2 < position.latitude < 55.1 and 5.8 < position.longitude < 15.1 for position in found)


def test_the_distance_between_two_cities() -> None:
    berlin, munich = Position(52.5200, 13.4050), Position(48.1372, 11.5755)
    assert distance_m(berlin, munich) == pytest.approx(504_000, rel=0.005)
    assert distance_m(berlin, berlin) == 0


def test_a_practice_is_where_it_says_or_else_in_its_postcode() -> None:
    said = Position(52.0, 13.0)
    assert POSTCODES.locate(Address("Weg 1", "10115", "Berlin", said)) == said
    assert POSTCODES.locate(Address("Weg 1", "10115", "Berlin")) == POSTCODES.of("10115")
    assert POSTCODES.locate(Address("Weg 1", "00000", "Nirgends")) is None
    assert POSTCODES.locate(None) is None


def test_a_part_of_a_postcode_is_the_middle_of_all_that_begin_so() -> None:
    table = PostcodeCentroids.from_lines(["# remark", "10115,52.0,13.0", "10117,52.2,13.4", "20095,53.5,10.0"])
    middle = table.beginning_with("101")
    assert middle is not None
    assert (middle.latitude, middle.longitude) == pytest.approx((52.1, 13.2))
    assert table.beginning_with("9") is None
