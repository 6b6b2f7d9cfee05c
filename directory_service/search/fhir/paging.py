"""Pages of a searchset: where a page begins, and the links between pages."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_plus

from directory_service.rules.fhir.values import FaultyParameter
from directory_service.search.fhir.asked import Asked
from directory_service.search.fhir.query import AFTER


@dataclass(frozen=True, slots=True)
class Place:
    """Where a match stands among all matches.

    Attributes:
        rank: 0 for an exact match, then prefix, typo, infix.
        distance_m: metres from the point that was asked for; 0 if none was.
        name: folded.
        resource_id: of the resource.
    """

    rank: int
    distance_m: int
    name: str
    resource_id: str

    def by_fit(self) -> tuple[int, int, str, str]:
        """Orders places: the better fit first, then the nearer one, then by name."""
        return self.rank, self.distance_m, self.name, self.resource_id

    def by_distance(self) -> tuple[int, int, str, str]:
        """Orders places: the nearer one first, then the better fit, then by name."""
        return self.distance_m, self.rank, self.name, self.resource_id

    def token(self) -> str:
        """The value of ``_after``."""
        values = [self.rank, self.distance_m, self.name, self.resource_id]
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def read_place(token: str) -> Place:
    """Reads the value of ``_after``.

    Raises:
        FaultyParameter: ``page``, if it is not one of ours.
    """
    try:
        values = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True))
        rank, distance, name, resource_id = values
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise FaultyParameter(AFTER, "page") from None
    if [type(value) for value in (rank, distance, name, resource_id)] != [int, int, str, str]:
        raise FaultyParameter(AFTER, "page")
    return Place(rank, distance, name, resource_id)


_NEARLY_PLAIN = re.compile(r"[A-Za-z0-9_.~|-]*")
_quoted_name = lru_cache(1000)(quote_plus)
"""Names are few, and the same in every search."""


def _quoted(value: str) -> str:
    """A value as it stands in an address; of most every character stands for itself, but for what parts a place."""
    return value.replace("|", "%7C") if _NEARLY_PLAIN.fullmatch(value) else quote_plus(value)


def links(asked: Asked, address: str, next_page: str | None) -> list[dict[str, str]]:
    """``self``, and ``next`` unless this page is the last: clients follow it until there is none.

    Args:
        asked: the search; what was ignored is not in its links.
        address: where it was sent.
        next_page: the value of ``_after`` for the next page.
    """
    search = [f"{_quoted_name(name)}={_quoted(value)}" for name, value in asked.understood]

    def link(relation: str, after: str | None) -> dict[str, str]:
        query = "&".join([*search, f"{AFTER}={_quoted(after)}"] if after else search)
        return {"relation": relation, "url": f"{address}?{query}" if query else address}

    return [link("self", asked.after), *([link("next", next_page)] if next_page else [])]
