"""One statement of an export or a delta of the national directory: a resource as it is now, or that it is gone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

from directory_service.rules.imported_entry import owner_reference, plain_reference, references
from directory_service.rules.reading.element import Fault

_SERVICE = (
    "extension",
    "type",
    "specialty",
    "name",
    "characteristic",
    "communication",
    "availableTime",
    "notAvailable",
    "location",
    "endpoint",
)
_KEPT: Mapping[str, tuple[str, ...]] = {
    "HealthcareService": (*_SERVICE, "providedBy"),
    "PractitionerRole": (*_SERVICE, "practitioner"),
    "Organization": ("extension", "identifier", "active", "name", "address"),
    "Practitioner": ("extension", "identifier", "active", "name", "communication"),
    "Location": ("address", "position"),
    "Endpoint": ("extension", "status", "connectionType", "address"),
}
"""What an import reads of a resource; nothing else of it is stored."""
_OWNERS = frozenset({"Organization", "Practitioner"})
_ENTRY_POINTS = {"HealthcareService": "providedBy", "PractitionerRole": "practitioner"}
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of one resource.

    Attributes:
        reference: ``Kind/ID``.
        body: the resource as JSON, with what an import reads of it; None if it is gone.
        owner: of an Organization or Practitioner itself; of an entry point whose it is; None of others.
        targets: of an entry point, the Locations and Endpoints that it leads to.
    """

    reference: str
    body: str | None
    owner: str | None = None
    targets: tuple[str, ...] = ()

    @property
    def is_entry_point(self) -> bool:
        """Whether it is a HealthcareService or a PractitionerRole."""
        return is_entry_point(self.reference)


def is_entry_point(reference: str) -> bool:
    """Whether ``Kind/ID`` is a HealthcareService or a PractitionerRole."""
    return reference.partition("/")[0] in _ENTRY_POINTS


def told_in(document: object) -> Iterator[Told | Fault]:
    """What a line of NDJSON says: a resource, or a small bundle of resources and removals.

    Args:
        document: the line as parsed JSON.
    """
    if isinstance(document, dict) and document.get("resourceType") == "Bundle":
        entries = document.get("entry", [])
        if not isinstance(entries, list):
            yield Fault("Bundle.entry", "a list is expected")
            return
        for place, entry in enumerate(entries):
            yield from told_by_entry(entry, f"Bundle.entry[{place}]")
    else:
        yield from _told(document, "Resource")


def told_by_entry(entry: object, path: str) -> Iterator[Told | Fault]:
    """What an entry of a bundle says; one with ``request.method`` DELETE that a resource is gone."""
    if not isinstance(entry, dict):
        yield Fault(path, "an object is expected")
        return
    request = entry.get("request")
    if isinstance(request, dict) and request.get("method") == "DELETE":
        gone = plain_reference(str(request.get("url") or ""))
        kind, _, resource_id = gone.partition("/")
        if not _ID.fullmatch(resource_id):
            yield Fault(f"{path}.request.url", "the kind and id of a resource are needed, such as Endpoint/1")
        elif kind in _KEPT:
            yield Told(gone, None, gone if kind in _OWNERS else None)
    elif "resource" in entry:
        yield from _told(entry["resource"], f"{path}.resource")
    else:
        yield Fault(f"{path}.resource", "a resource is needed, or a request with the method DELETE")


def _told(resource: object, path: str) -> Iterator[Told | Fault]:
    if not isinstance(resource, dict):
        yield Fault(path, "a resource is needed")
        return
    kind, resource_id = resource.get("resourceType"), resource.get("id")
    if not isinstance(kind, str):
        yield Fault(f"{path}.resourceType", "the kind of the resource is needed")
        return
    if kind not in _KEPT:
        return
    if not isinstance(resource_id, str) or not _ID.fullmatch(resource_id):
        yield Fault(f"{kind}.id", "an id is needed: letters, digits, hyphens and points, at most 64")
        return
    reference = f"{kind}/{resource_id}"
    kept = {name: resource[name] for name in _KEPT[kind] if name in resource}
    body = orjson.dumps(kept).decode()
    if kind in _OWNERS:
        yield Told(reference, body, reference)
    elif kind in _ENTRY_POINTS:
        owner = owner_reference(resource)
        if owner is None or owner.partition("/")[0] not in _OWNERS:
            needed = "a reference to the Organization or Practitioner is needed, such as Organization/1"
            yield Fault(f"{kind}.{_ENTRY_POINTS[kind]}.reference", needed)
            # What an older export said of it must not stay.
            yield Told(reference, None)
            return
        yield Told(reference, body, owner, tuple(references(kept)))
    else:
        yield Told(reference, body)
