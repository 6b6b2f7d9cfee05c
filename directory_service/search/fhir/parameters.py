"""The search parameters of each kind of resource, as one table: search and CapabilityStatement are made from it.

Sources: FHIR R4, search parameter registry; gematik api-vzd, SearchParameter-*.json and HOWTO_Search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from directory_service.rules.fhir.items import CERTAIN, LINKS, Item, Kind, matrix_uri
from directory_service.rules.fhir.resources_linked import endpoint_status
from directory_service.rules.fhir.resources_shared import origin
from directory_service.rules.fhir.terminology import (
    CHAT,
    CONNECTION_TYPE,
    ENDPOINT_STATUS,
    ENDPOINT_VISIBILITY_CODES,
    FDV_RELEVANT,
    FDV_RELEVANT_DISPLAY,
    HIDDEN_FROM_INSURED,
    ORGANIZATION_VISIBILITY_CODES,
    ORIGIN,
    PAYLOAD_TYPE,
    RESOURCE_TAG,
    TELEMATIK_ID,
)
from directory_service.rules.fhir.values import Coded
from directory_service.rules.practice import is_open_to_insured
from directory_service.rules.specialties import SpecialtyTable
from directory_service.search.fields import PROFESSION, SEARCH_FIELDS, SearchField

ParameterType = Literal["string", "token", "reference", "special", "number"]


@dataclass(frozen=True, slots=True)
class StringParameter:
    """Searches texts.

    Attributes:
        in_parts: whether each word of a text is a part of its own, as prefix, given and family name of a person are.
    """

    name: str
    values: Callable[[Item], tuple[str, ...]]
    documentation: str
    in_parts: bool = False

    type: ParameterType = "string"


@dataclass(frozen=True, slots=True)
class TokenParameter:
    """Searches codes and identifiers.

    Attributes:
        by_display: whether a plain value may also be the display of a code (gematik's ``qualification``).
        constant: the code that every resource shown has, if there is one.
    """

    name: str
    values: Callable[[Item], tuple[Coded, ...]]
    documentation: str
    by_display: bool = False
    constant: Coded | None = None

    type: ParameterType = "token"


Parameter = StringParameter | TokenParameter


def _name(item: Item) -> tuple[str, ...]:
    return (item.practice.profile.name,)


def _none_text(_item: Item) -> tuple[str, ...]:
    return ()


def _none_code(_item: Item) -> tuple[Coded, ...]:
    return ()


def _telematik_id(item: Item) -> tuple[Coded, ...]:
    return (Coded(TELEMATIK_ID, item.practice.telematik_id),)


def _always(code: Coded) -> Callable[[Item], tuple[Coded, ...]]:
    return lambda _item: (code,)


_TRUE = Coded("", "true")
_CHAT = Coded(PAYLOAD_TYPE, CHAT, "TI-Messenger chat")


def _origin(item: Item) -> tuple[Coded, ...]:
    return (Coded(ORIGIN, origin(item.practice)),)


def _organization_tags(item: Item) -> tuple[Coded, ...]:
    relevant = (Coded(RESOURCE_TAG, FDV_RELEVANT, FDV_RELEVANT_DISPLAY),) if is_open_to_insured(item.practice) else ()
    return (*_origin(item), *relevant)


def _profession(item: Item) -> tuple[Coded, ...]:
    return PROFESSION.of(item.practice)


def _profession_text(item: Item) -> tuple[str, ...]:
    return tuple(code.text for code in _profession(item))


def _city(item: Item) -> tuple[str, ...]:
    address = item.practice.profile.address
    return (address.city,) if address else ()


def _postcode(item: Item) -> tuple[str, ...]:
    address = item.practice.profile.address
    return (address.postcode,) if address else ()


def _address(item: Item) -> tuple[str, ...]:
    address = item.practice.profile.address
    if address is None:
        return ()
    return address.line, address.city, address.postcode, f"{address.line}, {address.postcode} {address.city}", "DE"


def _country(item: Item) -> tuple[str, ...]:
    return ("DE",) if item.practice.profile.address else ()


def _organization_visibility(item: Item) -> tuple[Coded, ...]:
    hidden = item.practice.profile.hide_from_insured
    return (Coded(ORGANIZATION_VISIBILITY_CODES, HIDDEN_FROM_INSURED),) if hidden else ()


def _endpoint_visibility(item: Item) -> tuple[Coded, ...]:
    own = item.messenger is not None and item.messenger.hide_from_insured
    hidden = own or item.practice.profile.hide_from_insured
    return (Coded(ENDPOINT_VISIBILITY_CODES, HIDDEN_FROM_INSURED),) if hidden else ()


def _endpoint_address(item: Item) -> tuple[str, ...]:
    return (matrix_uri(item.messenger.user_id), item.messenger.user_id) if item.messenger else ()


def _endpoint_status(item: Item) -> tuple[Coded, ...]:
    return (Coded(ENDPOINT_STATUS, endpoint_status(item.messenger)),) if item.messenger else ()


def _connection_type(item: Item) -> tuple[Coded, ...]:
    return (Coded(CONNECTION_TYPE, item.messenger.kind.value),) if item.messenger else ()


def _resource_id(item: Item) -> tuple[Coded, ...]:
    return (Coded("", item.resource_id),)


_NEVER = "no entry has one yet, so nothing is found"
_OWNER = TokenParameter("owner-telematik-id", _telematik_id, "Telematik-ID of who wrote the resource")
_HOLDER = TokenParameter("holder-id", _none_code, f"who manages the entry; {_NEVER}")
_ACTIVE = TokenParameter("active", _always(_TRUE), "always true: nothing else is shown", constant=_TRUE)
_EVERYWHERE: tuple[Parameter, ...] = (
    TokenParameter("_id", _resource_id, "logical id"),
    TokenParameter("_tag", _origin, "meta.tag: the origin"),
)
_PLACE: tuple[Parameter, ...] = (
    StringParameter("address", _address, "beginning of a part of the address, or of all of it"),
    StringParameter("address-city", _city, "beginning of the city"),
    StringParameter("address-postalcode", _postcode, "beginning of the postcode"),
    StringParameter("address-country", _country, "country, DE"),
)
NEAR = "near"
"""Location's own: ``latitude|longitude[|distance[|km or m]]``; read in ``places.py``."""


def _of_fields(kind: Kind, fields: Iterable[SearchField]) -> Iterator[Parameter]:
    for field in fields:
        if (name := field.parameters.get(kind)) is not None:
            yield TokenParameter(name, partial(_codes, field), field.documentation)


def _codes(field: SearchField, item: Item) -> tuple[Coded, ...]:
    return field.of(item.practice)


class ParameterTable:
    """Which parameters each kind of resource has."""

    def __init__(self, specialties: SpecialtyTable, fields: Sequence[SearchField] = SEARCH_FIELDS) -> None:
        """Takes the table of specialties for their names and code systems, and the fields that have parameters."""
        self.fields = fields
        self.specialty_systems = specialties.systems()

        def _specialties(item: Item) -> tuple[Coded, ...]:
            return tuple(
                Coded(specialties.system(code), code, specialties.display(code))
                for code in item.practice.profile.specialties
            )

        specialty = TokenParameter(
            "specialty",
            _specialties,
            "code of the specialty; in a HealthcareService it stands in type, where gematik has it",
        )
        own: dict[Kind, tuple[Parameter, ...]] = {
            "HealthcareService": (
                TokenParameter("identifier", _telematik_id, "Telematik-ID"),
                StringParameter("name", _name, "beginning of the name"),
                specialty,
                TokenParameter("service-type", _specialties, "code of the specialty (HealthcareService.type)"),
                StringParameter("coverageAreaPostalCode", _none_text, f"postcode of the area served; {_NEVER}"),
                _HOLDER,
                _OWNER,
            ),
            "PractitionerRole": (specialty, _HOLDER, _OWNER),
            "Organization": (
                TokenParameter(
                    "_tag", _organization_tags, "meta.tag: the origin; fdv-relevant if insured people find it"
                ),
                TokenParameter("identifier", _telematik_id, "Telematik-ID"),
                _ACTIVE,
                StringParameter("name", _name, "beginning of the name"),
                StringParameter("alias", _none_text, f"another name; {_NEVER}"),
                StringParameter("type-display", _profession_text, "beginning of the profession's name"),
                TokenParameter("organizationVisibility", _organization_visibility, "hide-versicherte"),
                TokenParameter("ncpeh-country", _none_code, f"country of a contact point; {_NEVER}"),
                *_PLACE,
            ),
            "Practitioner": (
                TokenParameter("identifier", _telematik_id, "Telematik-ID"),
                _ACTIVE,
                StringParameter(
                    "name", _name, "beginning of any part of the name: title, given or family", in_parts=True
                ),
                TokenParameter("qualification", _profession, "profession OID, or its name", by_display=True),
            ),
            "Location": (StringParameter("name", _name, "beginning of the name"), *_PLACE),
            "Endpoint": (
                StringParameter("address", _endpoint_address, "beginning of the Matrix URI or user id"),
                TokenParameter("connection-type", _connection_type, "tim, tim-fa or tim-bot"),
                TokenParameter("payload-type", _always(_CHAT), "tim-chat", constant=_CHAT),
                StringParameter("name", _name, "beginning of the name"),
                TokenParameter("status", _endpoint_status, "active, or suspended while it does not answer"),
                TokenParameter("endpointVisibility", _endpoint_visibility, "hide-versicherte"),
                _OWNER,
            ),
        }
        self._known: dict[Kind, dict[str, Parameter]] = {
            kind: {parameter.name: parameter for parameter in (*_EVERYWHERE, *parameters, *_of_fields(kind, fields))}
            for kind, parameters in own.items()
        }

    def by_field(self, kind: Kind) -> dict[str, SearchField]:
        """The parameters of a kind whose field the index answers, by name; those of what it surely links to, too."""
        own = {name: field for field in self.fields if (name := field.parameters.get(kind)) is not None}
        for reference, target in LINKS[kind].items():
            if target in CERTAIN[kind]:
                for field in self.fields:
                    if (name := field.parameters.get(target)) is not None:
                        own |= {f"{reference}.{name}": field, f"{reference}:{target}.{name}": field}
        return own

    def of(self, kind: Kind) -> dict[str, Parameter]:
        """The parameters of a kind by name."""
        return self._known[kind]
