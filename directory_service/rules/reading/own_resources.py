"""What a practice's software writes as FHIR about its own practice, as a change of the practice's profile.

Every resource of a practice is a part of one profile (``rules/fhir/items.py``): writing one changes its part and leaves
the rest. What the directory has no place for is a fault, so that nobody believes it was kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from directory_service.rules.fhir.items import Kind, endpoint_id
from directory_service.rules.fhir.terminology import (
    CHAT,
    ENDPOINT_VISIBILITY,
    FEATURE_MISSING,
    OWNER,
    PAYLOAD_TYPE,
    TELEMATIK_ID,
    is_person,
)
from directory_service.rules.imported_entry import plain_reference
from directory_service.rules.opening_hours import OpeningHours
from directory_service.rules.practice import Practice, is_on_insured_server
from directory_service.rules.profile import Messenger, Profile
from directory_service.rules.profile_check import ProfileRules
from directory_service.rules.profile_types import MOST_MESSENGERS
from directory_service.rules.reading.element import Element, Reading
from directory_service.rules.reading.entry_points import read_entry_point
from directory_service.rules.reading.linked import read_address, read_messenger
from directory_service.rules.reading.times import AbsenceWords

_EVERY = ("resourceType", "id", "meta", "text", "language", "implicitRules", "extension")
_KEPT: dict[Kind, tuple[str, ...]] = {
    "HealthcareService": (
        *("identifier", "active", "providedBy", "type", "specialty", "location", "name", "characteristic"),
        *("communication", "availableTime", "notAvailable", "endpoint"),
    ),
    "PractitionerRole": (
        *("identifier", "active", "practitioner", "specialty", "location", "availableTime", "notAvailable"),
        "endpoint",
    ),
    "Location": ("identifier", "name", "address", "position", "managingOrganization"),
    "Endpoint": ("status", "connectionType", "name", "payloadType", "address"),
}
_ADDRESS = ("use", "type", "text", "line", "city", "district", "state", "postalCode", "country")


@dataclass(frozen=True, slots=True)
class OwnRules:
    """What the reading of own resources depends on.

    Attributes:
        profiles: what every profile keeps to.
        words: how it words absences.
        insured_servers: the homeservers of insured people; only the account made there is the practice's.
    """

    profiles: ProfileRules
    words: AbsenceWords
    insured_servers: Collection[str]


def entry_kind(practice: Practice) -> Kind:
    """The kind of a practice's entry point."""
    return "PractitionerRole" if is_person(practice.telematik_id) else "HealthcareService"


def read_own(resource: object, kind: Kind, practice: Practice, reading: Reading, resource_id: str | None) -> Element:
    """A resource as it was sent, with what is the same for every kind checked.

    Args:
        resource: the parsed body.
        kind: what the address asks for.
        practice: whose it is.
        reading: gets the faults.
        resource_id: the id in the address; None where the directory gives one.
    """
    if not isinstance(resource, dict):
        resource = {}
    element = Element(resource, kind, reading)
    if element.text("resourceType") != kind:
        element.fault(f"{kind} is expected here", "resourceType")
    if resource_id is not None and element.text("id") != resource_id:
        element.fault("it must be the id of the address", "id")
    element.only(*_EVERY, *_KEPT[kind])
    allowed = {"HealthcareService": (OWNER, FEATURE_MISSING), "Endpoint": (OWNER, ENDPOINT_VISIBILITY)}
    element.only_extensions(*allowed.get(kind, (OWNER,)))
    for extension in element.extensions(OWNER):
        identifier = extension.child("valueIdentifier")
        if identifier is None or identifier.text("value") != practice.telematik_id:
            extension.fault("only the practice's own Telematik-ID is allowed", "valueIdentifier.value")
    for identifier in element.children("identifier"):
        if (identifier.text("system"), identifier.text("value")) != (TELEMATIK_ID, practice.telematik_id):
            identifier.fault("only the practice's own Telematik-ID is allowed")
    return element


def with_entry_point(element: Element, practice: Practice, rules: OwnRules, today: date) -> Profile:
    """The profile after the HealthcareService or PractitionerRole was written.

    A PractitionerRole has no place for name, languages, accessibility and special hours; these stay.
    """
    before, person = practice.profile, is_person(practice.telematik_id)
    if element.flag("active") is False:
        element.fault("to be shown no longer, use /owner/visibility", "active")
    holder = "Practitioner" if person else "Organization"
    _leads_to(element, "practitioner" if person else "providedBy", f"{holder}/{practice.resource_id}")
    places = element.children("location")
    for place in places:
        if before.address is None or _target(place) != f"Location/{practice.resource_id}":
            place.fault("only the practice's own Location is allowed", "reference")
    said = read_entry_point(element, rules.profiles.specialties, rules.words, today, with_week=False)
    profile = replace(
        before,
        specialties=said.specialties,
        opening_hours=said.opening_hours,
        absence=said.absence,
        messengers=_linked(element, practice),
    )
    if not person:
        if element.is_blank("name"):
            element.fault("a name is needed", "name")
        languages, accessibility = said.languages, said.accessibility
        return replace(profile, name=said.name or before.name, languages=languages, accessibility=accessibility)
    days = {special.day: special for special in said.opening_hours.special}
    kept = [special for special in before.opening_hours.special if special.blocks and special.day not in days]
    special = tuple(sorted([*days.values(), *kept], key=lambda one: one.day))
    return replace(profile, opening_hours=OpeningHours(said.opening_hours.weekly, special))


def with_location(element: Element, practice: Practice) -> Profile:
    """The profile after the Location was written."""
    address = element.child("address")
    if address is not None:
        address.only(*_ADDRESS)
    if element.has("managingOrganization"):
        _leads_to(element, "managingOrganization", f"Organization/{practice.resource_id}")
    return replace(practice.profile, address=read_address(element))


def with_endpoint(element: Element, practice: Practice, known: Messenger | None, rules: OwnRules) -> Profile:
    """The profile after an Endpoint was written.

    Args:
        element: the resource.
        practice: whose it is.
        known: the address that is written anew; None for one that is made now, which no entry leads to yet.
        rules: what it depends on.
    """
    status = element.text("status")
    if status is not None and status not in {"active", "suspended"}:
        element.fault("allowed are active and suspended", "status")
    for code, coding in element.codes("payloadType", PAYLOAD_TYPE):
        if code != CHAT:
            coding.fault(f"allowed is {CHAT}", "code")
    said = read_messenger(element)
    before = _each_hides_by_itself(practice.profile)
    if said is None:
        return before
    if known is None:
        return _with_new(element, before, said, practice, rules)
    if said.user_id != known.user_id:
        element.fault("the address of an Endpoint stays; create another Endpoint for another address", "address")
    written = replace(said, linked=known.linked)
    return replace(
        before, messengers=tuple(written if one.user_id == known.user_id else one for one in before.messengers)
    )


def _with_new(element: Element, before: Profile, said: Messenger, practice: Practice, rules: OwnRules) -> Profile:
    if said.user_id != practice.user_id and is_on_insured_server(said.user_id, rules.insured_servers):
        element.fault("on this homeserver only the practice's own account is allowed", "address")
    if any(one.user_id == said.user_id for one in before.messengers):
        element.fault("the practice has an Endpoint with this address; write that", "address")
    if len(before.messengers) >= MOST_MESSENGERS:
        element.fault(f"a practice has at most {MOST_MESSENGERS} Endpoints")
    return replace(before, messengers=(*before.messengers, replace(said, linked=False)))


def _each_hides_by_itself(profile: Profile) -> Profile:
    """The same profile, with what hides said of each address: FHIR has it at the Endpoint."""
    if not profile.hide_from_insured:
        return profile
    hidden = tuple(replace(messenger, hide_from_insured=True) for messenger in profile.messengers)
    return replace(profile, messengers=hidden, hide_from_insured=False)


def _linked(element: Element, practice: Practice) -> tuple[Messenger, ...]:
    """The addresses in the order in which the entry leads to them; those that it does not lead to come last."""
    known = {f"Endpoint/{endpoint_id(practice, messenger)}": messenger for messenger in practice.profile.messengers}
    linked: dict[str, Messenger] = {}
    for endpoint in element.children("endpoint"):
        target = _target(endpoint)
        if target in known:
            linked[target] = replace(known[target], linked=True)
        else:
            endpoint.fault("only the practice's own Endpoints are allowed", "reference")
    rest = (replace(messenger, linked=False) for reference, messenger in known.items() if reference not in linked)
    return (*linked.values(), *rest)


def _target(reference: Element) -> str:
    return plain_reference(reference.text("reference") or "")


def _leads_to(element: Element, name: str, wanted: str) -> None:
    reference: Any = element.child(name)
    if reference is None or _target(reference) != wanted:
        element.fault("it must lead to the practice's own", f"{name}.reference")
