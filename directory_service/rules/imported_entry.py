"""An entry of the national directory (VZD) as a practice of ours, and what an import may change.

Whatever the national directory says of an entry counts until somebody proves to be that practice. From then on the
practice owns every field; a later import does one thing alone: an address, or the whole entry, that was *newly* marked
``hide-versicherte`` there is hidden here too. That it is no longer marked there opens nothing here.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from directory_service.rules.fhir.terminology import ORGANIZATION_VISIBILITY
from directory_service.rules.practice import Consent, Practice, PracticeState, is_on_insured_server
from directory_service.rules.profile import Address, Messenger, Profile
from directory_service.rules.profile_check import ProfileRules
from directory_service.rules.profile_types import MOST_LANGUAGES, MOST_MESSENGERS, MOST_SPECIALTIES
from directory_service.rules.reading.element import Element, Fault, Reading
from directory_service.rules.reading.entry_points import EntryPoint, read_entry_point, read_languages
from directory_service.rules.reading.linked import (
    hides_from_insured,
    read_address,
    read_messenger,
    read_name,
    read_postal_address,
    read_telematik_id,
)
from directory_service.rules.reading.times import AbsenceWords

OPT_OUT = "opt-out-model"
"""Who agreed, and to what, where the operator's opt-out model shows an entry that never said anything itself."""
IMPORTED_BY = "national-directory"
"""Who changed a practice, in the audit log, when an import did."""

_Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hidden:
    """What the national directory hides from insured people: the whole entry, or some of its addresses."""

    entry: bool = False
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ImportedEntry:
    """An entry as the national directory says it.

    Attributes:
        telematik_id: its identity.
        active: whether it is in use there.
        profile: what it says, as far as this directory has a place for it.
    """

    telematik_id: str
    active: bool
    profile: Profile

    @property
    def hidden(self) -> Hidden:
        """What it hides from insured people."""
        hiding = (item.user_id for item in self.profile.messengers if item.hide_from_insured)
        return Hidden(self.profile.hide_from_insured, frozenset(hiding))


@dataclass(frozen=True, slots=True)
class ImportRules:
    """What the reading of entries depends on.

    Attributes:
        profiles: what every profile keeps to.
        words: how it words absences.
        insured_servers: the homeservers of insured people; no imported address may be there.
        opt_out: whether active entries are shown without having opted in.
    """

    profiles: ProfileRules
    words: AbsenceWords
    insured_servers: Collection[str]
    opt_out: bool


def read_entry(
    owner: tuple[str, _Resource],
    services: Sequence[tuple[str, _Resource]],
    linked: Mapping[str, _Resource],
    rules: ImportRules,
    today: date,
) -> tuple[ImportedEntry | None, list[Fault]]:
    """Puts an entry together from its resources.

    Several HealthcareServices of one Organization are one practice: the first that says something wins, specialties,
    languages and addresses are gathered from all.

    Args:
        owner: ``Organization/ID`` or ``Practitioner/ID``, and the resource.
        services: its HealthcareServices or PractitionerRoles, likewise, in a fixed order.
        linked: the Locations and Endpoints that they lead to, by reference.
        rules: what it depends on.
        today: the present day in Germany.

    Returns:
        The entry, or None if it has to be rejected; and what could not be taken over, and why.
    """
    reading = Reading()
    kind = owner[0].partition("/")[0]
    who = Element(dict(owner[1]), kind, reading)
    telematik_id, name = read_telematik_id(who), read_name(who, kind)
    points = [Element(dict(resource), reference.partition("/")[0], reading) for reference, resource in services]
    if not points:
        who.fault("no HealthcareService or PractitionerRole leads here, so it is no entry")
        return None, reading.faults
    said = [read_entry_point(point, rules.profiles.specialties, rules.words, today, with_week=True) for point in points]
    name = name or _first(one.name for one in said)
    if telematik_id is None or name is None:
        if name is None:
            who.fault("a name is needed", "name")
        return None, reading.faults
    languages = (read_languages(who), *(one.languages for one in said))
    profile = Profile(
        name=name,
        specialties=_gathered((one.specialties for one in said), points[0], "type", MOST_SPECIALTIES),
        address=_address(who, points, linked, reading),
        languages=_gathered(languages, points[0], "communication", MOST_LANGUAGES),
        accessibility=_first(one.accessibility for one in said) or (),
        opening_hours=_hours(said),
        absence=_first(one.absence for one in said),
        messengers=_messengers(points, linked, rules.insured_servers, reading),
        hide_from_insured=hides_from_insured(who, ORGANIZATION_VISIBILITY),
    )
    entry = ImportedEntry(telematik_id, who.flag("active") is True, profile)
    out_of_bounds = rules.profiles.faults(profile)
    for fault in out_of_bounds:
        who.fault(f"the entry would have {fault.place} out of bounds: {fault.text}")
    return None if out_of_bounds else entry, reading.faults


def references(service: _Resource) -> list[str]:
    """The Locations and Endpoints that an entry point leads to, as ``Kind/ID``."""
    return [target for name in ("location", "endpoint") for target in _references(service.get(name))]


def owner_reference(service: _Resource) -> str | None:
    """The Organization or Practitioner to which an entry point belongs."""
    holder = service.get("providedBy") or service.get("practitioner")
    return next(iter(_references([holder])), None)


def plain_reference(text: str) -> str:
    """``https://directory.example/search/Location/1/_history/2`` as ``Location/1``."""
    return "/".join(text.partition("/_history/")[0].rsplit("/", 2)[-2:])


def _references(value: object) -> list[str]:
    found = value if isinstance(value, list) else []
    texts = [item.get("reference") for item in found if isinstance(item, dict)]
    return [plain_reference(text) for text in texts if isinstance(text, str)]


def _first(values: Any) -> Any:
    return next((value for value in values if value), None)


def _gathered(parts: Iterable[tuple[str, ...]], point: Element, name: str, most: int) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(value for part in parts for value in part))
    if len(found) > most:
        point.fault(f"at most {most} of all its services are kept, the first ones", name)
    return found[:most]


def _hours(said: Sequence[EntryPoint]) -> Any:
    known = [one.opening_hours for one in said if one.opening_hours.weekly or one.opening_hours.special]
    return known[0] if known else said[0].opening_hours


def _address(
    who: Element, points: Sequence[Element], linked: Mapping[str, _Resource], reading: Reading
) -> Address | None:
    """The first whole address of a Location; of the Organization itself, as older entries have it, otherwise."""
    for point in points:
        for place, target in _targets(point, "location"):
            resource = linked.get(target)
            if resource is None:
                point.fault("the import does not have this Location", place)
            elif address := read_address(Element(dict(resource), "Location", reading)):
                return address
    for postal in who.children("address"):
        if address := read_postal_address(postal):
            return address
    return None


def _messengers(
    points: Sequence[Element], linked: Mapping[str, _Resource], insured_servers: Collection[str], reading: Reading
) -> tuple[Messenger, ...]:
    found: dict[str, Messenger] = {}
    for point in points:
        for place, target in _targets(point, "endpoint"):
            resource = linked.get(target)
            if resource is None:
                point.fault("the import does not have this Endpoint", place)
                continue
            endpoint = Element(dict(resource), "Endpoint", reading)
            messenger = read_messenger(endpoint)
            if messenger is None:
                continue
            if is_on_insured_server(messenger.user_id, insured_servers):
                endpoint.fault("on a homeserver of insured people no imported address is a practice's", "address")
                continue
            known = found.get(messenger.user_id)
            hidden = messenger.hide_from_insured or (known is not None and known.hide_from_insured)
            found[messenger.user_id] = replace(known or messenger, hide_from_insured=hidden)
    if len(found) > MOST_MESSENGERS:
        points[0].fault(f"at most {MOST_MESSENGERS} messenger addresses are kept, the first ones", "endpoint")
    return tuple(found.values())[:MOST_MESSENGERS]


def _targets(point: Element, name: str) -> list[tuple[str, str]]:
    return [
        (f"{name}[{place}].reference", plain_reference(text))
        for place, item in enumerate(point.children(name))
        if (text := item.text("reference")) is not None
    ]


@dataclass(frozen=True, slots=True)
class ImportedChange:
    """What an import makes of a practice, and the audit log's word for it."""

    practice: Practice
    what: str


def after_import(
    before: Practice | None,
    entry: ImportedEntry | None,
    told: Hidden,
    now: datetime,
    *,
    telematik_id: str,
    opt_out: bool,
) -> ImportedChange | None:
    """What a practice is after the national directory said something of it.

    Args:
        before: the practice as it is; None if it is new.
        entry: what is said of it now; None if the national directory removed it.
        told: what an import before this one said to be hidden.
        now: the present moment.
        telematik_id: its identity.
        opt_out: whether active entries are shown without having opted in.

    Returns:
        None if nothing changes.
    """
    if before is not None and before.user_id is not None:
        return _after_joining(before, entry, told)
    if entry is None:
        if before is None:
            return None
        # What it said is forgotten; the Telematik-ID stays, so that a later entry is known to be the same practice.
        gone = replace(before, state=PracticeState.WITHDRAWN, consent=None, profile=Profile(telematik_id))
        return _unless_equal(before, gone, "import-removed")
    shown = opt_out and entry.active and bool(entry.profile.active_addresses)
    consent = None
    if shown:
        known = before.consent if before else None
        consent = known if known and known.by == OPT_OUT else Consent(OPT_OUT, OPT_OUT, now)
    state = PracticeState.OPTED_IN if shown else PracticeState.INVITED
    if before is None:
        new = Practice(telematik_id, str(uuid.uuid4()), None, state, entry.profile, consent)
        return ImportedChange(new, "imported")
    return _unless_equal(before, replace(before, state=state, consent=consent, profile=entry.profile), "import-changed")


def _after_joining(before: Practice, entry: ImportedEntry | None, told: Hidden) -> ImportedChange | None:
    said = entry.hidden if entry else Hidden()
    newly = said.addresses - told.addresses
    messengers = tuple(
        replace(item, hide_from_insured=item.hide_from_insured or item.user_id in newly)
        for item in before.profile.messengers
    )
    whole = before.profile.hide_from_insured or (said.entry and not told.entry)
    profile = replace(before.profile, messengers=messengers, hide_from_insured=whole)
    return _unless_equal(before, replace(before, profile=profile), "import-hidden")


def _unless_equal(before: Practice, after: Practice, what: str) -> ImportedChange | None:
    return None if after == before else ImportedChange(after, what)


def without_opt_out(practice: Practice) -> Practice:
    """A practice that the opt-out model shows, when the operator ends that model: it is asked, not shown."""
    state = PracticeState.INVITED if practice.user_id is None else PracticeState.VERIFIED
    return replace(practice, state=state, consent=None)
