"""Resources as prepared JSON: each is made once while its practice stays the same, and joined into bundles as it is."""

from __future__ import annotations

from collections import OrderedDict

import orjson

from directory_service.rules.fhir.items import Item
from directory_service.rules.fhir.resources_entry import healthcare_service, practitioner_role
from directory_service.rules.fhir.resources_linked import endpoint, location, organization, practitioner
from directory_service.rules.fhir.resources_shared import Resource, Wording
from directory_service.rules.practice import Practice

_KEPT = 100_000


def resource(item: Item, wording: Wording) -> Resource:
    """A resource as FHIR has it."""
    practice = item.practice
    match item.kind:
        case "HealthcareService":
            return healthcare_service(practice, wording)
        case "PractitionerRole":
            return practitioner_role(practice, wording)
        case "Organization":
            return organization(practice)
        case "Practitioner":
            return practitioner(practice)
        case "Location":
            return location(practice)
        case "Endpoint":
            assert item.messenger is not None
            return endpoint(practice, item.messenger)


class Fragments:
    """The JSON of resources that were asked for; those that were not asked for longest are forgotten."""

    def __init__(self, wording: Wording, kept: int = _KEPT) -> None:
        """Takes how many resources are kept; one has about a kilobyte."""
        self._wording = wording
        self._kept = kept
        self._known: OrderedDict[tuple[str, str], tuple[Practice, bytes]] = OrderedDict()

    def of(self, item: Item) -> bytes:
        """A resource's JSON; when the practice has changed it is made anew."""
        key = (item.kind, item.resource_id)
        known = self._known.get(key)
        if known is not None and known[0] == item.practice:
            self._known.move_to_end(key)
            return known[1]
        made = orjson.dumps(resource(item, self._wording))
        self._known[key] = (item.practice, made)
        self._known.move_to_end(key)
        if len(self._known) > self._kept:
            self._known.popitem(last=False)
        return made
