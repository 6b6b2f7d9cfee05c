"""The searchset that answers a search, joined from prepared fragments."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import orjson

from directory_service.rules.fhir.asked import Asked
from directory_service.rules.fhir.fragments import RESOURCE, Fragments
from directory_service.rules.fhir.includes import included
from directory_service.rules.fhir.items import ENTRIES, Item, Kind
from directory_service.rules.fhir.listing import Shown
from directory_service.rules.fhir.paging import links
from directory_service.rules.fhir.resources_shared import Resource
from directory_service.rules.fhir.terminology import DISTANCE, MATCH_REASON, UNITS
from directory_service.rules.index.query import Reason, SearchHit
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Messenger

_SCORES = {Reason.EXACT: 1.0, Reason.PREFIX: 0.75, Reason.TYPO: 0.5, Reason.INFIX: 0.25}
_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


class Match(NamedTuple):
    """A resource that was found.

    Attributes:
        shown: whose resource it is, as it is shown to who searches.
        hit: why it stands where it stands, and how far it is from the point that was asked for.
        messenger: for an Endpoint, which address.
    """

    shown: Shown
    hit: SearchHit
    messenger: Messenger | None = None

    @property
    def practice(self) -> Practice:
        """As it is shown."""
        return self.shown.practice

    def item(self, kind: Kind) -> Item:
        """The resource."""
        return Item(kind, self.shown.practice, self.messenger)


class Page(NamedTuple):
    """One page of what was found.

    Attributes:
        total: how many resources match, on all pages.
        matches: those of this page.
        next_page: the value of ``_after`` for the next page; None on the last.
        unknown_hours: how many more would match if their hours were known.
    """

    total: int
    matches: list[Match]
    next_page: str | None = None
    unknown_hours: int = 0


def _end(reason: Reason | None, distance: dict[str, object] | None) -> bytes:
    """The end of a match's entry: the kind of match, a score and why it stands where it stands, and the distance."""
    search: Resource = {"mode": "match"}
    extensions: list[Resource] = []
    if reason is not None:
        search["score"] = _SCORES[reason]
        extensions.append({"url": MATCH_REASON, "valueCode": reason.value})
    if distance is not None:
        extensions.append({"url": DISTANCE, "valueDistance": distance})
    if extensions:
        search["extension"] = extensions
    return b',"search":%b}' % orjson.dumps(search)


_REASONS = (None, *Reason)
_WITHOUT_DISTANCE = {reason: _end(reason, None) for reason in _REASONS}
_WITH_DISTANCE = {
    reason: _end(reason, {"value": 0, "unit": "km", "system": UNITS, "code": "km"}).replace(b":0,", b":%a,")
    for reason in _REASONS
}
"""With a place for the kilometres."""
_INCLUDED = b',"search":{"mode":"include"}}'


@lru_cache(100)  # of each audience and kind
def _full_url(base: str, kind: Kind) -> bytes:
    """An entry's beginning, until the resource's id."""
    return f',{{"fullUrl":"{base}/{kind}/'.encode()


def searchset(
    page: Page, asked: Asked, fragments: Fragments, *, base: str, now: datetime, told: Iterable[Resource] = ()
) -> bytes:
    """The bundle as JSON; the last page has no ``next`` link.

    A mere count has no entries at all, as FHIR says; what was ignored is then missing in its ``self`` link alone.

    Args:
        page: what was found.
        asked: the search as understood.
        fragments: the JSON of resources.
        base: the address of the FHIR interface.
        now: the present moment.
        told: OperationOutcomes about what was ignored, or how it was understood.
    """
    bundle: Resource = {
        "resourceType": "Bundle",
        "id": secrets.token_hex(16),
        "meta": {"lastUpdated": now},
        "type": "searchset",
        "total": page.total,
        "link": links(asked, f"{base}/{asked.kind}", None if asked.count_only else page.next_page),
    }
    if asked.count_only:
        bundle["meta"]["tag"] = [_SUBSETTED]
    entries: list[bytes] = []
    if not asked.count_only:
        for outcome in told:
            told_entry = {"fullUrl": f"urn:uuid:{uuid.uuid4()}", "resource": outcome, "search": {"mode": "outcome"}}
            entries += (b",", orjson.dumps(told_entry))
        entries += _matched(page.matches, asked.kind, fragments, base)
        if asked.includes:
            for item in included([match.item(asked.kind) for match in page.matches], asked.includes):
                address = _full_url(base, item.kind)
                entries += (address, item.resource_id.encode(), RESOURCE, fragments.of(*item), _INCLUDED)
    envelope = orjson.dumps(bundle)
    if not entries:  # FHIR knows no empty lists: a bundle without entries leaves them out.
        return envelope
    entries[0] = entries[0].removeprefix(b",")
    return b"".join((envelope[:-1], b',"entry":[', *entries, b"]}"))


def _matched(matches: Iterable[Match], kind: Kind, fragments: Fragments, base: str) -> list[bytes]:
    """The entries of matches, in parts."""
    parts: list[bytes] = []
    address = _full_url(base, kind)
    own = kind in ENTRIES
    for match in matches:
        shown, (_, reason, distance_m, _), _ = match
        if own:
            parts += (address, shown.entry or fragments.entry(shown))
        else:
            item = match.item(kind)
            parts += (address, item.resource_id.encode(), RESOURCE, fragments.of(*item))
        if distance_m is None:
            parts.append(_WITHOUT_DISTANCE[reason])
        else:
            parts.append(_WITH_DISTANCE[reason] % (distance_m / 1000))
    return parts
