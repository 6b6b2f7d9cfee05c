"""What Location, Endpoint, Organization and Practitioner say of a practice."""

from __future__ import annotations

import re
from urllib.parse import unquote

from directory_service.rules.fhir.terminology import (
    CONNECTION_TYPE,
    ENDPOINT_VISIBILITY,
    HIDDEN_FROM_INSURED,
    TELEMATIK_ID,
)
from directory_service.rules.profile import Address, Messenger, MessengerKind, Position
from directory_service.rules.profile_types import LONGEST_USER_ID, POSTCODE_PATTERN, USER_ID_PATTERN
from directory_service.rules.reading.element import Element
from messenger_core.identifiers import check_telematik_id

_USER_ID = re.compile(USER_ID_PATTERN)
_POSTCODE = re.compile(POSTCODE_PATTERN)
_STATUSES = frozenset({"active", "suspended", "error", "off", "entered-in-error", "test"})


def read_address(place: Element) -> Address | None:
    """The address of a Location, with its point on the map; None if it is not a whole one."""
    address = place.child("address")
    if address is None:
        place.fault("an address is needed", "address")
        return None
    read = read_postal_address(address)
    position = _position(place)
    return read if read is None or position is None else Address(read.line, read.postcode, read.city, position)


def read_postal_address(address: Element) -> Address | None:
    """Street, postcode and city; None if one of them is missing."""
    line = address.checked_line(", ".join(filter(str.strip, address.texts("line"))), "line")
    city, postcode = address.line("city"), address.text("postalCode")
    if postcode is None or not _POSTCODE.fullmatch(postcode.strip()):
        address.fault("a postcode of five digits is needed", "postalCode")
        return None
    if line is None or city is None:
        address.fault("it is needed", "line" if line is None else "city")
        return None
    return Address(line, postcode.strip(), city)


def _position(place: Element) -> Position | None:
    position = place.child("position")
    if position is None:
        return None
    position.only("latitude", "longitude")
    latitude, longitude = position.number("latitude", -90, 90), position.number("longitude", -180, 180)
    if latitude is None or longitude is None:
        position.fault("latitude and longitude are needed")
        return None
    return Position(latitude, longitude)


def read_messenger(endpoint: Element) -> Messenger | None:
    """The messenger address of an Endpoint; None if it is none, or not one that can be used."""
    connection = endpoint.child("connectionType")
    code = connection.text("code") if connection else None
    if connection is None or connection.text("system") != CONNECTION_TYPE or code not in set(MessengerKind):
        if endpoint.strict:
            endpoint.fault(f"allowed are {', '.join(MessengerKind)} of {CONNECTION_TYPE}", "connectionType")
        return None
    status = endpoint.text("status")
    if status not in _STATUSES:
        endpoint.fault(f"allowed are {', '.join(sorted(_STATUSES))}", "status")
        return None
    user_id = read_user_id(endpoint.text("address") or "")
    if user_id is None:
        endpoint.fault("a Matrix user id is needed, such as matrix:u/name:server.example", "address")
        return None
    hidden = hides_from_insured(endpoint, ENDPOINT_VISIBILITY)
    return Messenger(user_id, MessengerKind(code), active=status == "active", hide_from_insured=hidden)


def read_user_id(address: str) -> str | None:
    """``matrix:u/name:server``, or ``@name:server`` as older entries have it, as a Matrix user id."""
    user_id = f"@{unquote(address.removeprefix('matrix:u/'))}" if address.startswith("matrix:u/") else address
    return user_id if _USER_ID.fullmatch(user_id) and len(user_id) <= LONGEST_USER_ID else None


def hides_from_insured(resource: Element, url: str) -> bool:
    """Whether an extension of visibility says ``hide-versicherte``; one that cannot be read hides too."""
    hidden = False
    for extension in resource.extensions(url):
        coding = extension.child("valueCoding")
        if coding is None or coding.text("code") != HIDDEN_FROM_INSURED:
            extension.fault(f"allowed is {HIDDEN_FROM_INSURED}; it is taken as that", "valueCoding")
        hidden = True
    return hidden


def read_telematik_id(owner: Element) -> str | None:
    """The Telematik-ID of an Organization or a Practitioner."""
    for identifier in owner.children("identifier"):
        if identifier.text("system") == TELEMATIK_ID:
            try:
                return check_telematik_id(identifier.text("value") or "")
            except ValueError as fault:
                identifier.fault(str(fault), "value")
                return None
    owner.fault(f"a Telematik-ID is needed ({TELEMATIK_ID})", "identifier")
    return None


def read_name(owner: Element, kind: str) -> str | None:
    """The name of an Organization, or of a Practitioner."""
    if kind == "Organization":
        return owner.line("name")
    for name in owner.children("name"):
        if name.has("text"):
            return name.line("text")
        family = name.text("family") or ""
        parts = [*name.texts("prefix"), *name.texts("given"), family]
        return name.checked_line(" ".join(parts), "family")
    return None
