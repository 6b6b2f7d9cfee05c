"""The searchset that answers a search, joined from prepared fragments."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import orjson

from directory_service.rules.fhir.fragments import RESOURCE, Fragments
from directory_service.rules.fhir.items import ENTRIES, Item, Kind
from directory_service.rules.fhir.listing import Shown
from directory_service.rules.fhir.resources_shared import Resource
from directory_service.rules.fhir.terminology import DISTANCE, MATCH_REASON, UNITS
from directory_service.rules.profile import Messenger
from directory_service.search.fhir.asked import Asked
from directory_service.search.fhir.includes import included
from directory_service.search.fhir.paging import links
from directory_service.search.index.query import Reason, SearchHit

_SCORES = {Reason.EXACT: 1.0, Reason.PREFIX: 0.75, Reason.TYPO: 0.5, Reason.INFIX: 0.25}
_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


Match = tuple[Shown, SearchHit, Messenger | None]
"""A resource that was found: whose it is, as it is shown to who searches; why it stands where it stands, and how far it
is from the point that was asked for; for an Endpoint, which address. A plain tuple, since giving twenty of them names
takes longer than looking twenty practices up.
"""


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
    reason: _end(reason, {"value": "", "unit": "km", "system": UNITS, "code": "km"}).split(b'""') for reason in _REASONS
}
"""What stands before the kilometres, and after them."""
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
        "id": os.urandom(16).hex(),
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
            matched = [Item(asked.kind, shown.practice, messenger) for shown, _, messenger in page.matches]
            for item in included(matched, asked.includes):
                address = _full_url(base, item.kind)
                entries += (address, item.resource_id.encode(), RESOURCE, fragments.of(*item), _INCLUDED)
    envelope = orjson.dumps(bundle)
    if not entries:  # FHIR knows no empty lists: a bundle without entries leaves them out.
        return envelope
    entries[0] = entries[0].removeprefix(b",")
    return b"".join((envelope[:-1], b',"entry":[', *entries, b"]}"))


def _matched(matches: Sequence[Match], kind: Kind, fragments: Fragments, base: str) -> list[bytes]:
    """The entries of matches, in parts."""
    parts: list[bytes] = []
    address = _full_url(base, kind)
    own = kind in ENTRIES
    for (shown, hit, messenger), kilometres in zip(matches, _kilometres(matches), strict=True):
        _, reason, distance_m, _ = hit
        if own:
            parts += (address, fragments.entry(shown))
        else:
            item = Item(kind, shown.practice, messenger)
            parts += (address, item.resource_id.encode(), RESOURCE, fragments.of(*item))
        if distance_m is None:
            parts.append(_WITHOUT_DISTANCE[reason])
        else:
            before, after = _WITH_DISTANCE[reason]
            parts += (before, kilometres, after)
    return parts


def _kilometres(matches: Sequence[Match]) -> list[bytes]:
    """How far each match is, as JSON; all at once, since that is quicker than one number after the other."""
    distances = [None if distance_m is None else distance_m / 1000 for _, (_, _, distance_m, _), _ in matches]
    return orjson.dumps(distances)[1:-1].split(b",") if distances else []
