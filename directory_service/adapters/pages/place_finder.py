"""Where a patient means, when she types a postcode or a city."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from directory_service.rules.folding import words
from directory_service.rules.places import PostcodeCentroids, distance_m
from directory_service.rules.profile import Position
from directory_service.search.held import Held
from directory_service.search.index.fit import errors_allowed
from directory_service.search.index.query import SearchQuery

# A whole postcode wherever it stands ("Hamburg 20099"), or the beginning of one.
_POSTCODE = re.compile(r"(?<!\d)\d{5}(?!\d)", re.ASCII)
_BEGINNING = re.compile(r"\d{1,5}", re.ASCII)
_MOST_WORDS = 4
_LOOKED_AT = 200
_WIDEST_M = 30_000


class PlaceUnclear(Exception):  # noqa: N818 - reads as what happened
    """There is no one point for a place.

    Attributes:
        text: the key of what is said about it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class Place:
    """A place that was typed.

    Attributes:
        postcode: the beginning of a postcode, or empty.
        city: the folded beginning of a city's name, or empty.
        origin: the point from which distances count; None if it is not known.
        read_as: the city that was taken for a misspelt one, or for one with its district; empty if none was.
    """

    postcode: str = ""
    city: str = ""
    origin: Position | None = None
    read_as: str = ""


class PlaceFinder:
    """Finds postcodes in the packaged table, and cities by the practices in them."""

    def __init__(self, held: Held, postcodes: PostcodeCentroids) -> None:
        self._held = held
        self._postcodes = postcodes

    def find(self, typed: str, *, needs_origin: bool) -> Place:
        """The place that somebody typed.

        Args:
            typed: a postcode or its beginning, or a city or its beginning; not empty.
            needs_origin: whether a point is needed, since distances are asked for.

        Raises:
            PlaceUnclear: if the postcode does not exist, or there is no one point for the city.
        """
        postcode = _POSTCODE.search(typed) or _BEGINNING.match(typed.strip())
        if postcode is not None:
            origin = self._postcodes.of(postcode[0]) or self._postcodes.beginning_with(postcode[0])
            if origin is None:
                raise PlaceUnclear("search-page-postcode-unknown")
            return Place(postcode=postcode[0], origin=origin)
        city = " ".join(words(typed))
        if not city:
            raise PlaceUnclear("search-page-place-unreadable")
        read_as = "" if self._begins_one(city) else self._meant(city)
        if read_as:
            city = " ".join(words(read_as))
        origin = self._middle(city)
        if origin is None and needs_origin:
            raise PlaceUnclear("search-page-city-unclear")
        return Place(city=city, origin=origin, read_as=read_as)

    def _begins_one(self, city: str) -> bool:
        return self._held.index.search(SearchQuery(cities=((city,),)), count=1).total > 0

    def _meant(self, city: str) -> str:
        """The city with the fewest typing errors in it, or the one whose district was typed too; empty if none fits."""
        errors = errors_allowed(city.replace(" ", ""))
        found: dict[tuple[int, str], str] = {}
        for word in city.split()[:_MOST_WORDS]:
            for hit in self._held.index.search(SearchQuery(words=(word,)), count=_LOOKED_AT).hits:
                practice = self._held.listing.seen_by("insured", hit.resource_id)
                if practice is None or practice.profile.address is None:
                    continue
                name = practice.profile.address.city
                known = " ".join(words(name))
                wrong = 0 if city.startswith(f"{known} ") else OSA.distance(city, known, score_cutoff=errors)
                if wrong <= errors:
                    found[wrong, known] = name
        return found[min(found)] if found else ""

    def _middle(self, city: str) -> Position | None:
        """The middle of the practices in a city, if they are near each other; those in the very city count first."""
        page = self._held.index.search(SearchQuery(cities=((city,),)), count=_LOOKED_AT)
        found: dict[bool, list[Position]] = {True: [], False: []}
        for hit in page.hits:
            practice = self._held.listing.get(hit.resource_id)
            address = practice.profile.address if practice is not None else None
            position = self._postcodes.locate(address)
            if address is not None and position is not None:
                found[" ".join(words(address.city)) == city].append(position)
        positions = found[True] or found[False]
        if not positions:
            return None
        middle = Position(
            sum(position.latitude for position in positions) / len(positions),
            sum(position.longitude for position in positions) / len(positions),
        )
        return middle if max(distance_m(middle, position) for position in positions) <= _WIDEST_M else None
