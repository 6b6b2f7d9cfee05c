"""Which FHIR search parameters the directory understands, and what they ask for.

Sources: FHIR R4, 3.1.1 (search); gematik api-vzd, FHIR_VZD_HOWTO_Search. What is not understood is refused: a filter
that is silently ignored would show a patient what she excluded.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from directory_service.rules.folding import words
from directory_service.rules.matching import MAX_WORDS, Search, TooManyWords, search_words
from directory_service.rules.specialties import CODE_SYSTEM, SpecialtyTable

AFTER = "_after"
"""The directory's own paging parameter; it stands in ``next`` links alone."""
DEFAULT_COUNT = 20
MAX_COUNT = 100
_INCLUDES = {f"HealthcareService:{name}": name for name in ("organization", "location", "endpoint")}
_UNESCAPED_COMMA = re.compile(r"(?<!\\),")
_ESCAPED = re.compile(r"\\([\\,|$])")


class FaultyParameter(ValueError):  # noqa: N818 - reads as what it is
    """A parameter is unknown or has a value that is not allowed.

    Attributes:
        parameter: its name, shortened.
        reason: a key of the catalogue: ``unknown``, ``repeated``, ``only-true``, ``count``, ``include``, ``no-word``,
            ``unprintable``, ``too-many-words`` or ``page``.
    """

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(reason)
        self.parameter = parameter[:64]
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Position:
    """The last practice of the page before."""

    name: str
    resource_id: str

    def token(self) -> str:
        """The value of ``_after``."""
        return base64.urlsafe_b64encode(json.dumps([self.name, self.resource_id]).encode()).decode().rstrip("=")

    @classmethod
    def from_token(cls, token: str) -> Position:
        """Reads the value of ``_after``.

        Raises:
            ValueError: if it is not one of ours.
        """
        try:
            name, resource_id = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True))
        except (binascii.Error, ValueError, TypeError, RecursionError):
            raise ValueError("not a position") from None
        if not (isinstance(name, str) and isinstance(resource_id, str) and f"{name}{resource_id}".isprintable()):
            raise ValueError("not a position")
        return cls(name, resource_id)


@dataclass(frozen=True, slots=True)
class FhirSearch:
    """A search that was understood.

    Attributes:
        search: what must fit.
        includes: the kinds of linked resources to send along, of ``organization``, ``location``, ``endpoint``.
        count: how many practices a page has, 1 to 100.
        after: where the page begins.
        shown: the parameters as understood, without the position, for links.
    """

    search: Search = field(default_factory=Search)
    includes: frozenset[str] = frozenset()
    count: int = DEFAULT_COUNT
    after: Position | None = None
    shown: tuple[tuple[str, str], ...] = ()


def _alternatives(value: str) -> list[str]:
    """The values of a parameter between unescaped commas, of which any may fit."""
    return [_ESCAPED.sub(r"\1", part) for part in _UNESCAPED_COMMA.split(value)]


def _folded(parameter: str, value: str) -> tuple[str, ...]:
    beginnings = tuple(" ".join(words(part)) for part in _alternatives(value))
    if not all(beginnings):
        raise FaultyParameter(parameter, "no-word")
    if len(beginnings) > MAX_WORDS:
        raise FaultyParameter(parameter, "too-many-words")
    return beginnings


def _codes(value: str) -> tuple[str, ...]:
    """Codes of the practices' code system; a token of another system can fit nothing."""
    tokens = [part.rpartition("|") for part in _alternatives(value)]
    return tuple(code for system, bar, code in tokens if not bar or system == CODE_SYSTEM)


def _count(parameter: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", value) or not 1 <= int(value) <= MAX_COUNT:
        raise FaultyParameter(parameter, "count")
    return int(value)


def _with_text(search: FhirSearch, parameter: str, value: str) -> FhirSearch:
    if not words(value):
        raise FaultyParameter(parameter, "no-word")
    return search  # the words of all texts are taken together, below


def _with_active(search: FhirSearch, parameter: str, value: str) -> FhirSearch:
    if value != "true":
        raise FaultyParameter(parameter, "only-true")
    return search  # only active practices are listed at all


def _with_city(search: FhirSearch, parameter: str, value: str) -> FhirSearch:
    cities = (*search.search.cities, _folded(parameter, value))
    return replace(search, search=replace(search.search, cities=cities))


def _with_postcode(search: FhirSearch, parameter: str, value: str) -> FhirSearch:
    postcodes = (*search.search.postcodes, _folded(parameter, value))
    return replace(search, search=replace(search.search, postcodes=postcodes))


def _with_specialty(search: FhirSearch, parameter: str, value: str) -> FhirSearch:
    if not value:
        raise FaultyParameter(parameter, "no-word")
    if not value.isprintable():
        # Codes are compared as they are; a database may refuse such characters instead of finding nothing.
        raise FaultyParameter(parameter, "unprintable")
    specialties = (*search.search.specialties, _codes(value))
    return replace(search, search=replace(search.search, specialties=specialties))


def _with_include(search: FhirSearch, parameter: str, value: str) -> FhirSearch:
    if value == "*":
        return replace(search, includes=frozenset(_INCLUDES.values()))
    if value not in _INCLUDES:
        raise FaultyParameter(parameter, "include")
    return replace(search, includes=search.includes | {_INCLUDES[value]})


def _with_count(search: FhirSearch, parameter: str, value: str) -> FhirSearch:
    return replace(search, count=_count(parameter, value))


def _with_position(search: FhirSearch, parameter: str, value: str) -> FhirSearch:
    try:
        return replace(search, after=Position.from_token(value))
    except ValueError:
        raise FaultyParameter(parameter, "page") from None


_READERS: dict[str, Callable[[FhirSearch, str, str], FhirSearch]] = {
    "_text": _with_text,
    "organization.active": _with_active,
    "location.address-city": _with_city,
    "location.address-postalcode": _with_postcode,
    "specialty": _with_specialty,
    "_include": _with_include,
    "_count": _with_count,
    AFTER: _with_position,
}
_ONLY_ONCE = frozenset({"_count", AFTER})
PARAMETERS = tuple(name for name in _READERS if name != AFTER)
"""What clients may ask with."""


def read_search(parameters: Iterable[tuple[str, str]], table: SpecialtyTable) -> FhirSearch:
    """Understands the parameters of a search.

    Raises:
        FaultyParameter: for the first one that is not understood.
    """
    given = list(parameters)
    search = FhirSearch(shown=tuple((name, value) for name, value in given if name != AFTER))
    seen: set[str] = set()
    for name, value in given:
        reader = _READERS.get(name)
        if reader is None:
            raise FaultyParameter(name, "unknown")
        if name in _ONLY_ONCE and name in seen:
            raise FaultyParameter(name, "repeated")
        seen.add(name)
        search = reader(search, name, value)
    texts = [value for name, value in given if name == "_text"]
    try:
        return replace(search, search=replace(search.search, words=search_words(texts, table)))
    except TooManyWords:
        raise FaultyParameter("_text", "too-many-words") from None
