"""Which FHIR resources a practice has, how they are called, and which leads to which."""

from __future__ import annotations

import hashlib
from typing import Literal, NamedTuple
from urllib.parse import quote

from directory_service.rules.fhir.terminology import is_person
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Messenger

Kind = Literal["HealthcareService", "PractitionerRole", "Organization", "Practitioner", "Location", "Endpoint"]
KINDS: tuple[Kind, ...] = (
    "HealthcareService",
    "PractitionerRole",
    "Organization",
    "Practitioner",
    "Location",
    "Endpoint",
)


class Item(NamedTuple):
    """One resource: of which kind, of which practice, and for an Endpoint which address."""

    kind: Kind
    practice: Practice
    messenger: Messenger | None = None

    @property
    def resource_id(self) -> str:
        """Its logical id."""
        if self.messenger is None:
            return self.practice.resource_id
        return endpoint_id(self.practice, self.messenger)

    @property
    def reference(self) -> str:
        """``Kind/id``."""
        return f"{self.kind}/{self.resource_id}"


_ENTRY: dict[bool, tuple[Kind, Kind]] = {
    True: ("PractitionerRole", "Practitioner"),
    False: ("HealthcareService", "Organization"),
}

ENTRIES = frozenset(entry for entry, _ in _ENTRY.values())
"""The kinds of which each practice has one, and one alone."""

LINKS: dict[Kind, dict[str, Kind]] = {
    "HealthcareService": {"organization": "Organization", "location": "Location", "endpoint": "Endpoint"},
    "PractitionerRole": {"practitioner": "Practitioner", "location": "Location", "endpoint": "Endpoint"},
    "Location": {"organization": "Organization"},
    "Organization": {},
    "Practitioner": {},
    "Endpoint": {},
}
"""The references by which resources are chained and included: parameter and target. All lead to the same practice."""


_CHAT: Kind = "Endpoint"
CERTAIN: dict[Kind, frozenset[Kind]] = {
    "Location": frozenset({_CHAT}),
    "Endpoint": frozenset(),
    **{kind: frozenset({*pair, _CHAT}) - {kind} for pair in _ENTRY.values() for kind in pair},
}
"""Which other kinds whoever is shown has for certain, if it has the first: nobody is shown without an address."""


def kinds_of(practice: Practice) -> tuple[Kind, ...]:
    """The kinds of resource that a practice has, in the order in which they are sent along."""
    place: tuple[Kind, ...] = ("Location",) if practice.profile.address else ()
    chat: tuple[Kind, ...] = (_CHAT,) if practice.profile.messengers else ()
    return _ENTRY[is_person(practice.telematik_id)] + place + chat


def items(kind: Kind, practice: Practice) -> tuple[Item, ...]:
    """A practice's resources of one kind."""
    if kind not in kinds_of(practice):
        return ()
    if kind == "Endpoint":
        return tuple(Item(kind, practice, messenger) for messenger in practice.profile.messengers)
    return (Item(kind, practice),)


def endpoint_id(practice: Practice, messenger: Messenger) -> str:
    """An Endpoint's logical id: its practice's, and a mark of the address, which stays when others come or go."""
    mark = hashlib.sha256(messenger.user_id.encode()).hexdigest()[:12]
    return f"{practice.resource_id}.{mark}"


def practice_of(resource_id: str) -> str:
    """The practice that a logical id belongs to, if there is one."""
    return resource_id.partition(".")[0]


def matrix_uri(user_id: str) -> str:
    """``@name:server`` as ``matrix:u/name:server`` (Matrix specification, appendices)."""
    return f"matrix:u/{quote(user_id.removeprefix('@'), safe=':')}"
