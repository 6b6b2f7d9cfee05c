"""Resources as prepared JSON: each is made once while its practice stays the same, and joined into bundles as it is."""

from __future__ import annotations

import orjson

from directory_service.rules.fhir.items import KINDS, Item, Kind, endpoint_id, kinds_of
from directory_service.rules.fhir.listing import Shown
from directory_service.rules.fhir.packed_entries import EntryPacker, is_packed
from directory_service.rules.fhir.resources_entry import healthcare_service, practitioner_role
from directory_service.rules.fhir.resources_linked import endpoint, location, organization, practitioner
from directory_service.rules.fhir.resources_shared import Resource, Wording
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Messenger

_KEPT_BYTES = 128 * 2**20
"""For what is asked for by its id or sent along; seldom all of it."""
RESOURCE = b'","resource":'
"""Stands between an entry's address and its resource."""


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
    """The JSON of resources.

    A practice's entry, which nearly every search sends, stays with the practice as it is shown. Of all others what was
    made first of its kind is forgotten when there is no room for more.
    """

    def __init__(self, wording: Wording, kept_bytes: int = _KEPT_BYTES) -> None:
        """Takes how many bytes of JSON are kept."""
        self._wording = wording
        self._left = kept_bytes
        self._known: dict[Kind, dict[str, tuple[Practice, bytes]]] = {kind: {} for kind in KINDS}
        self._packer: EntryPacker | None = None

    def pack_with(self, packer: EntryPacker) -> None:
        """Packs entries from now on; those that are there are packed by ``prepare``."""
        self._packer = packer

    def entry(self, shown: Shown) -> bytes:
        """A practice's own entry for bundles, from its id on: ``ID","resource":{…}``."""
        if shown.entry is None:
            return self.prepare(shown)
        if self._packer is not None and is_packed(shown.entry):
            return self._packer.unpack(shown.entry)
        return shown.entry

    def prepare(self, shown: Shown) -> bytes:
        """Makes a practice's entry, or takes the one that is there, and keeps it as small as it can be."""
        json = shown.entry
        if json is None:
            practice = shown.practice
            kind, *_ = kinds_of(practice)
            json = (
                practice.resource_id.encode() + RESOURCE + orjson.dumps(resource(Item(kind, practice), self._wording))
            )
        if is_packed(json):
            return json
        shown.entry = json if self._packer is None else self._packer.pack(json)
        return json

    def of(self, kind: Kind, practice: Practice, messenger: Messenger | None = None) -> bytes:
        """The JSON of an ``Item``; when the practice has changed it is made anew."""
        resource_id = practice.resource_id if messenger is None else endpoint_id(practice, messenger)
        known = self._known[kind].get(resource_id)
        if known is not None and (known[0] is practice or known[0] == practice):
            return known[1]
        # orjson's bytes keep the room that they were written in; a copy takes less than half of the memory.
        made = bytes(memoryview(orjson.dumps(resource(Item(kind, practice, messenger), self._wording))))
        self._known[kind][resource_id] = (practice, made)
        self._left -= len(made) - (len(known[1]) if known else 0)
        while self._left < 0:
            most = max(self._known.values(), key=len)
            _, forgotten = most.pop(next(iter(most)))
            self._left += len(forgotten)
        return made
