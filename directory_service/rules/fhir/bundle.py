"""The searchset that answers a search, joined from prepared fragments."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import orjson

from directory_service.rules.fhir.asked import Asked
from directory_service.rules.fhir.fragments import Fragments
from directory_service.rules.fhir.includes import included
from directory_service.rules.fhir.items import Item
from directory_service.rules.fhir.paging import links
from directory_service.rules.fhir.resources_shared import Resource
from directory_service.rules.fhir.terminology import DISTANCE, MATCH_REASON, UNITS
from directory_service.rules.index.query import Reason

_SCORES = {Reason.EXACT: 1.0, Reason.PREFIX: 0.75, Reason.TYPO: 0.5, Reason.INFIX: 0.25}
_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


class Match(NamedTuple):
    """A resource that was found.

    Attributes:
        item: which one.
        reason: why it stands where it stands; None if no text was searched.
        distance_m: from the point that was asked for; None if none was.
    """

    item: Item
    reason: Reason | None = None
    distance_m: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
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


@lru_cache(50_000)  # every whole metre up to ten kilometres, for each reason
def _search(reason: Reason | None, distance_m: int | None) -> bytes:
    """Why a match stands where it stands: the kind of match, a score by it, and the distance."""
    if reason is None and distance_m is None:
        return b'{"mode":"match"}'
    search: Resource = {"mode": "match"}
    extensions: list[Resource] = []
    if reason is not None:
        search["score"] = _SCORES[reason]
        extensions.append({"url": MATCH_REASON, "valueCode": reason.value})
    if distance_m is not None:
        distance = {"value": round(distance_m / 1000, 3), "unit": "km", "system": UNITS, "code": "km"}
        extensions.append({"url": DISTANCE, "valueDistance": distance})
    return orjson.dumps({**search, "extension": extensions})


def _entry(base: str, item: Item, fragment: bytes, search: bytes) -> tuple[bytes, ...]:
    """An entry's JSON in parts, so that a bundle is joined from all of them at once."""
    head = f',{{"fullUrl":"{base}/{item.kind}/{item.resource_id}","resource":'
    return head.encode(), fragment, b',"search":', search, b"}"


def searchset(
    page: Page, asked: Asked, fragments: Fragments, *, base: str, now: datetime, told: Iterable[Resource] = ()
) -> bytes:
    """The bundle as JSON; the last page has no ``next`` link.

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
        "id": str(uuid.uuid4()),
        "meta": {"lastUpdated": now.isoformat(timespec="milliseconds")},
        "type": "searchset",
        "total": page.total,
        "link": links(asked, f"{base}/{asked.kind}", None if asked.count_only else page.next_page),
    }
    if asked.count_only:
        bundle["meta"]["tag"] = [_SUBSETTED]
    entries: list[bytes] = []
    for outcome in told:
        told_entry = {"fullUrl": f"urn:uuid:{uuid.uuid4()}", "resource": outcome, "search": {"mode": "outcome"}}
        entries += (b",", orjson.dumps(told_entry))
    if not asked.count_only:
        for item, reason, distance_m in page.matches:
            entries += _entry(base, item, fragments.of(item), _search(reason, distance_m))
        if asked.includes:
            for item in included([match.item for match in page.matches], asked.includes):
                entries += _entry(base, item, fragments.of(item), b'{"mode":"include"}')
    envelope = orjson.dumps(bundle)
    if not entries:  # FHIR knows no empty lists: a bundle without entries leaves them out.
        return envelope
    entries[0] = entries[0].removeprefix(b",")
    return b"".join((envelope[:-1], b',"entry":[', *entries, b"]}"))
