"""Checks resources by rules read from gematik's profile files: cardinality, fixed values, bindings.

What FHIR itself demands is checked elsewhere; here is what the profiles add to it (their differentials).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from directory_service.rules.fhir.terminology import TELEMATIK_ID

Element = dict[str, Any]
FOLDER = Path(__file__).parents[1] / "data/gematik"
_GEMATIK = "https://gematik.de/fhir/directory"
_OPENING = f"{_GEMATIK}/StructureDefinition/SpecialOpeningTimesEX"
ELSEWHERE = frozenset({f"{_GEMATIK}/ValueSet/PractitionerQualificationVS"})
"""Value sets that the profiles name and the package does not hold."""
_TIMES = ("daysOfWeek", "availableStartTime", "availableEndTime")


def _special(time: Element) -> bool:
    return any(extension["url"] == _OPENING for extension in time.get("extension", []))


CONSTRAINTS: dict[str, Callable[[Element], bool]] = {
    "CodingSytemCodeInv": lambda coding: "system" in coding and "code" in coding,
    "VZD-Service-Opening-TimeInv-1": lambda time: not _special(time) or not any(name in time for name in _TIMES),
    "VZD-Service-Opening-TimeInv-2": lambda time: _special(time) or all(name in time for name in _TIMES),
    "KimConnectionTypeInv": lambda coding: coding.get("code") != "kim",
    "KimConnectionTypeRequiresVersionInv": lambda coding: coding.get("code") != "kim",
}
"""What the profiles' FHIRPath invariants say, by key; the directory has no KIM addresses at all."""


class Profiles:
    """The profiles, value sets and code systems of a folder.

    Attributes:
        read: the names of the files that a check has needed.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._known: dict[str, tuple[str, Element]] = {}
        self.read: set[str] = set()
        for path in sorted(folder.glob("*.json")):
            content = json.loads(path.read_text(encoding="utf-8"))
            if "url" in content:
                self._known[content["url"]] = path.name, content

    def _find(self, url: str) -> Element | None:
        name, content = self._known.get(url, ("", None))
        if content is not None:
            self.read.add(name)
        return content

    def faults(self, resource: Element) -> list[str]:
        """What is wrong with a resource by the profiles that it says it has."""
        profiles = resource.get("meta", {}).get("profile", [])
        return [fault for url in profiles for fault in self._by_profile(resource, url)] if profiles else ["no profile"]

    def _by_profile(self, value: Element, url: str) -> Iterator[str]:
        definition = self._find(url)
        if definition is None:
            yield f"unknown profile {url}"
            return
        elements = {element["id"]: element for element in definition["differential"]["element"]}
        for identifier, element in elements.items():
            for parent in self._parents(value, identifier, elements):
                found = self._instances(parent, identifier, elements)
                yield from self._count(found, element)
                for instance in found:
                    yield from self._content(instance, element)

    def _parents(self, value: Any, identifier: str, elements: dict[str, Element]) -> list[Any]:
        """The values that can hold an element."""
        above, _, _ = identifier.rpartition(".")
        if not above:
            return []
        if "." not in above:
            return [value]
        return [
            instance
            for parent in self._parents(value, above, elements)
            for instance in self._instances(parent, above, elements)
        ]

    def _instances(self, parent: Element, identifier: str, elements: dict[str, Element]) -> list[Any]:
        """The values of an element, or of one slice of it."""
        name, _, sliced = identifier.rpartition(".")[2].partition(":")
        if name.endswith("[x]"):
            beginning = name.removesuffix("[x]")
            return [value for key, value in parent.items() if key.startswith(beginning)]
        values = parent.get(name, [])
        values = values if isinstance(values, list) else [values]
        if not sliced:
            return values
        return [value for value in values if self._is_of(value, identifier, elements)]

    def _is_of(self, value: Element, identifier: str, elements: dict[str, Element]) -> bool:
        """Whether a value belongs to a slice: known by its address, its system, or its value set."""
        element = elements.get(identifier, {})
        for key in ("url", "system"):
            wanted = _fixed(elements.get(f"{identifier}.{key}", {}))
            if wanted is not None:
                return bool(value.get(key) == wanted)
        profiles = [url for of_type in element.get("type", []) for url in of_type.get("profile", [])]
        if identifier.endswith(":TelematikID"):
            return bool(value.get("system") == TELEMATIK_ID)
        if profiles:
            return value.get("url") in profiles
        return self._bound(value, element["binding"]["valueSet"])

    def _count(self, found: list[Any], element: Element) -> Iterator[str]:
        if len(found) < element.get("min", 0):
            yield f"{element['id']}: {len(found)} instead of at least {element['min']}"
        most = element.get("max", "*")
        if most != "*" and len(found) > int(most):
            yield f"{element['id']}: {len(found)} instead of at most {most}"

    def _content(self, value: Any, element: Element) -> Iterator[str]:
        fixed = _fixed(element)
        if fixed is not None and value != fixed:
            yield f"{element['id']}: not {fixed}"
        binding = element.get("binding", {})
        if binding.get("strength") == "required" and not self._bound(value, binding["valueSet"]):
            yield f"{element['id']}: not of {binding['valueSet']}"
        for constraint in element.get("constraint", []):
            if not CONSTRAINTS[constraint["key"]](value):
                yield f"{element['id']}: {constraint['key']}"
        for of_type in element.get("type", []):
            for profile in of_type.get("profile", []):
                if of_type["code"] == "Extension":
                    yield from self._by_profile(value, profile)

    def _bound(self, value: Any, url: str) -> bool:
        """Whether a code, a coding, or any coding of a concept is in a value set."""
        value_set = self._find(url)
        if value_set is None:
            return url in ELSEWHERE
        codings = [{"code": value}] if isinstance(value, str) else value.get("coding", [value])
        return any(self._includes(part, coding) for part in value_set["compose"]["include"] for coding in codings)

    def _includes(self, part: Element, coding: Element) -> bool:
        if "valueSet" in part:
            return all(self._bound(coding, url) for url in part["valueSet"])
        if coding.get("system", part["system"]) != part["system"]:
            return False
        if "concept" in part:
            return coding.get("code") in {concept["code"] for concept in part["concept"]}
        system = self._find(part["system"])
        return system is not None and coding.get("code") in set(_codes(system["concept"]))


def _codes(concepts: list[Element]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _codes(concept.get("concept", []))


def _fixed(element: Element) -> Any:
    """The value that a profile prescribes; None if it prescribes none."""
    return next((value for key, value in element.items() if key.startswith(("fixed", "pattern"))), None)
