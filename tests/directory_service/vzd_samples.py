"""Resources of the national directory (VZD) for tests of the import, in the shape of gematik's own examples."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from directory_service.rules.fhir.terminology import (
    CONNECTION_TYPE,
    ENDPOINT_VISIBILITY,
    ENDPOINT_VISIBILITY_CODES,
    HIDDEN_FROM_INSURED,
    ORGANIZATION_VISIBILITY,
    ORGANIZATION_VISIBILITY_CODES,
    TELEMATIK_ID,
)
from directory_service.rules.specialties import CODE_SYSTEM

Resource = dict[str, Any]
EXAMPLES = Path(__file__).parents[1] / "data/gematik"


def example(name: str) -> Resource:
    """One of gematik's example resources."""
    found: Resource = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def hiding(url: str = ENDPOINT_VISIBILITY, system: str = ENDPOINT_VISIBILITY_CODES) -> list[Resource]:
    """The extension ``hide-versicherte``."""
    return [{"url": url, "valueCoding": {"system": system, "code": HIDDEN_FROM_INSURED}}]


def hiding_organization() -> list[Resource]:
    """The same on an Organization."""
    return hiding(ORGANIZATION_VISIBILITY, ORGANIZATION_VISIBILITY_CODES)


def endpoint(number: object, address: str | None = None, **other: object) -> Resource:
    """A messenger address."""
    return {
        "resourceType": "Endpoint",
        "id": f"e{number}",
        "status": "active",
        "connectionType": {"system": CONNECTION_TYPE, "code": "tim"},
        "name": "Messenger",
        "address": address or f"matrix:u/praxis-{number}:tim.example",
    } | other


def entry(number: int, *endpoints: Resource, name: str | None = None, active: bool = True) -> list[Resource]:
    """An organisation with everything that leads from its HealthcareService."""
    messengers = endpoints or (endpoint(number),)
    return [
        {
            "resourceType": "Organization",
            "id": f"o{number}",
            "identifier": [{"system": TELEMATIK_ID, "value": telematik_id(number)}],
            "active": active,
            "name": name or f"Praxis Nummer {number}",
        },
        {
            "resourceType": "HealthcareService",
            "id": f"h{number}",
            "providedBy": {"reference": f"Organization/o{number}"},
            "type": [{"coding": [{"system": CODE_SYSTEM, "code": "ALLG"}]}],
            "location": [{"reference": f"Location/l{number}"}],
            "endpoint": [{"reference": f"Endpoint/{messenger['id']}"} for messenger in messengers],
            "availableTime": [
                {"daysOfWeek": ["mon"], "availableStartTime": "08:00:00", "availableEndTime": "12:00:00"}
            ],
        },
        {
            "resourceType": "Location",
            "id": f"l{number}",
            "address": {"line": [f"Weg {number}"], "city": "Hamburg", "postalCode": "20099"},
            "position": {"latitude": 53.55, "longitude": 10.0},
        },
        *messengers,
    ]


def telematik_id(number: int) -> str:
    """The Telematik-ID of ``entry``."""
    return f"2-{number:09}"


def by_kind(resources: Iterable[Resource]) -> list[Resource]:
    """Kind after kind, as exports have them: what leads somewhere comes long before or after where it leads."""
    return sorted(resources, key=lambda resource: str(resource["resourceType"]))


def write_lines(path: Path, documents: Iterable[Mapping[str, Any] | str]) -> Path:
    """A file of lines; a text is written as it is."""
    lines = (document if isinstance(document, str) else json.dumps(document) for document in documents)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def bundle(resources: Iterable[Resource], gone: Iterable[str] = ()) -> Resource:
    """A bundle of resources, and of removals as ``Kind/ID``."""
    entries: list[Resource] = [
        {"fullUrl": f"https://vzd.example/search/{one['resourceType']}/{one['id']}", "resource": one}
        for one in resources
    ]
    entries += [{"request": {"method": "DELETE", "url": reference}} for reference in gone]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
