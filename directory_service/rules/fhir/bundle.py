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
from directory_service.rules.fhir.fragments import Fragments
from directory_service.rules.fhir.includes import included
from directory_service.rules.fhir.items import Item, Kind, endpoint_id
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
        practice: whose resource it is, as it is shown to who searches.
        hit: why it stands where it stands, and how far it is from the point that was asked for.
        messenger: for an Endpoint, which address.
    """

    practice: Practice
    hit: SearchHit
    messenger: Messenger | None = None


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


@lru_cache(50_000)  # every whole metre up to ten kilometres, for each reason
def _search(reason: Reason | None, distance_m: int | None) -> bytes:
    """The end of a match's entry, why it stands where it stands: the kind of match, a score by it, and the distance."""
    search: Resource = {"mode": "match"}
    extensions: list[Resource] = []
    if reason is not None:
        search["score"] = _SCORES[reason]
        extensions.append({"url": MATCH_REASON, "valueCode": reason.value})
    if distance_m is not None:
        distance = {"value": round(distance_m / 1000, 3), "unit": "km", "system": UNITS, "code": "km"}
        extensions.append({"url": DISTANCE, "valueDistance": distance})
    if extensions:
        search["extension"] = extensions
    return b',"search":%b}' % orjson.dumps(search)


_INCLUDED = b',"search":{"mode":"include"}}'
_RESOURCE = b'","resource":'


@lru_cache(100)  # of each audience and kind
def _full_url(base: str, kind: Kind) -> bytes:
    """An entry's beginning, until the resource's id."""
    return f',{{"fullUrl":"{base}/{kind}/'.encode()


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
        "id": secrets.token_hex(16),
        "meta": {"lastUpdated": now},
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
        kind = asked.kind
        address = _full_url(base, kind)
        for practice, (_, reason, distance_m, _), messenger in page.matches:
            resource_id = practice.resource_id if messenger is None else endpoint_id(practice, messenger)
            fragment = fragments.of(kind, practice, messenger)
            entries += (address, resource_id.encode(), _RESOURCE, fragment, _search(reason, distance_m))
        if asked.includes:
            matches = [Item(kind, practice, messenger) for practice, _, messenger in page.matches]
            for item in included(matches, asked.includes):
                address = _full_url(base, item.kind)
                entries += (address, item.resource_id.encode(), _RESOURCE, fragments.of(*item), _INCLUDED)
    envelope = orjson.dumps(bundle)
    if not entries:  # FHIR knows no empty lists: a bundle without entries leaves them out.
        return envelope
    entries[0] = entries[0].removeprefix(b",")
    return b"".join((envelope[:-1], b',"entry":[', *entries, b"]}"))
