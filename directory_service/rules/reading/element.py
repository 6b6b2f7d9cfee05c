"""Reads an element of a FHIR resource, and says of everything that cannot be kept where it stands and why.

What is said never repeats a value: it goes into logs and reports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from directory_service.rules.plain_text import one_line
from directory_service.rules.profile_types import LONGEST_LINE

_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True)
class Fault:
    """What could not be kept.

    Attributes:
        expression: where it stands, as FHIRPath, e.g. ``Location.address.postalCode``.
        text: why, and what is allowed.
    """

    expression: str
    text: str


@dataclass(slots=True)
class Reading:
    """One attempt to read resources.

    Attributes:
        strict: whether what has no place in the directory is a fault as well. The national directory knows much more
            than this one (telephone numbers, KIM addresses …), which is simply not taken over; a practice that writes
            it here must hear that it was not kept.
        faults: what could not be kept, in the order in which it was met.
    """

    strict: bool = False
    faults: list[Fault] = field(default_factory=list)


class Element:
    """An object of a resource, and where it stands."""

    __slots__ = ("_reading", "_value", "path")

    def __init__(self, value: dict[str, Any], path: str, reading: Reading) -> None:
        self._value = value
        self.path = path
        self._reading = reading

    @property
    def strict(self) -> bool:
        """Whether what has no place in the directory is a fault."""
        return self._reading.strict

    def at(self, name: str) -> str:
        """Where a child stands."""
        return f"{self.path}.{name}"

    def fault(self, text: str, name: str | None = None) -> None:
        """Notes that this element, or a child of it, cannot be kept."""
        self._reading.faults.append(Fault(self.at(name) if name else self.path, text))

    def has(self, name: str) -> bool:
        """Whether there is such a child."""
        return name in self._value

    def is_blank(self, name: str) -> bool:
        """Whether a child is missing, or a text that says nothing."""
        value = self._value.get(name)
        return value is None or (isinstance(value, str) and not value.strip())

    def only(self, *names: str) -> None:
        """Notes every child that has no place in the directory, if that is a fault."""
        if self._reading.strict:
            for name in self._value:
                if name not in names:
                    self.fault("the directory keeps nothing like this; leave it out", name)

    def text(self, name: str) -> str | None:
        """A child that is a text."""
        return self._typed(name, str, "a text is expected")

    def line(self, name: str, longest: int = LONGEST_LINE) -> str | None:
        """A child that people read: one line of visible characters; spaces in excess are left out."""
        text = self.text(name)
        return None if text is None else self.checked_line(text, name, longest)

    def checked_line(self, text: str, name: str, longest: int = LONGEST_LINE) -> str | None:
        """A text as people can read it on one line."""
        if not text.strip():
            return None
        try:
            line = one_line(" ".join(text.split()))
        except ValueError as fault:
            self.fault(str(fault), name)
            return None
        if len(line) > longest:
            self.fault(f"at most {longest} characters are allowed", name)
            return None
        return line

    def flag(self, name: str) -> bool | None:
        """A child that is true or false."""
        return self._typed(name, bool, "true or false is expected")

    def number(self, name: str, least: float, most: float) -> float | None:
        """A child that is a number within bounds."""
        value = self._value.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.fault(f"a number from {least:g} to {most:g} is expected", name)
            return None
        return float(value)

    def child(self, name: str) -> Element | None:
        """A child that is an object."""
        value = self._typed(name, dict, "an object is expected")
        return None if value is None else Element(value, self.at(name), self._reading)

    def children(self, name: str) -> list[Element]:
        """The objects of a list."""
        return [
            Element(value, f"{self.at(name)}[{place}]", self._reading)
            for place, value in enumerate(self._list(name))
            if self._is_of(value, dict, f"{name}[{place}]", "an object is expected")
        ]

    def texts(self, name: str) -> list[str]:
        """The texts of a list."""
        return [
            value
            for place, value in enumerate(self._list(name))
            if self._is_of(value, str, f"{name}[{place}]", "a text is expected")
        ]

    def extensions(self, url: str) -> list[Element]:
        """The extensions with this address."""
        return [extension for extension in self.children("extension") if extension.text("url") == url]

    def only_extensions(self, *urls: str) -> None:
        """Notes every extension that has no place in the directory, if that is a fault."""
        if self._reading.strict:
            for extension in self.children("extension"):
                if extension.text("url") not in urls:
                    extension.fault("the directory does not know this extension; leave it out")

    def codes(self, name: str, *systems: str) -> list[tuple[str, Element]]:
        """The codes of some systems in a list of CodeableConcepts, each with its coding.

        Many concepts of one code and one concept of many codes mean the same in the national directory.
        """
        found = []
        for concept in self.children(name):
            for coding in concept.children("coding"):
                code = coding.text("code")
                if coding.text("system") not in systems:
                    if self._reading.strict:
                        coding.fault(f"only codes of {', '.join(systems)} are kept", "system")
                elif code is None:
                    coding.fault("a code is needed", "code")
                else:
                    found.append((code, coding))
        return found

    def _list(self, name: str) -> list[Any]:
        return self._typed(name, list, "a list is expected") or []

    def _typed(self, name: str, of_type: type[_Kind], otherwise: str) -> _Kind | None:
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, of_type):
            self.fault(otherwise, name)
            return None
        return value

    def _is_of(self, value: object, of_type: type[Any], name: str, otherwise: str) -> bool:
        fits = isinstance(value, of_type)
        if not fits:
            self.fault(otherwise, name)
        return fits
