"""From one search parameter to a test of one resource: modifiers, chains (``location.address-city``) and ``_has``.

All links of a practice's resources stay within the practice (``items.LINKS``), so a chain never needs a second search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from directory_service.rules.fhir.items import CERTAIN, KINDS, LINKS, Item, Kind, items, practice_of
from directory_service.rules.fhir.terminology import TELEMATIK_ID
from directory_service.rules.fhir.values import (
    FaultyParameter,
    TokenValue,
    alternatives,
    folded_display,
    folded_text,
    plain,
    unescaped,
    words_begin,
)
from directory_service.rules.folding import fold, words
from directory_service.search.fhir.parameters import ParameterTable, StringParameter, TokenParameter

Test = Callable[[Item], bool]
MAX_NAME = 200
STRING_MODIFIERS = ("exact", "contains", "missing")
TOKEN_MODIFIERS = ("not", "text", "missing")
REFERENCE_MODIFIERS = ("identifier", "missing")


def always(_item: Item) -> bool:
    """The test that every resource passes."""
    return True


class Chains:
    """Makes tests from parameters."""

    def __init__(self, table: ParameterTable) -> None:
        self._table = table
        self.specialty_systems = table.specialty_systems
        self.fields = {kind: table.by_field(kind) for kind in KINDS}

    def test(self, kind: Kind, name: str, value: str) -> Test:
        """The test that a parameter asks for.

        Args:
            kind: what is searched.
            name: the parameter, with modifier, chain or ``_has``.
            value: as it was sent.

        Raises:
            FaultyParameter: if the kind has no such parameter or the value is not allowed.
        """
        if len(name) > MAX_NAME:
            raise FaultyParameter(name, "unknown")
        return self._test(kind, name, value, name)

    def _test(self, kind: Kind, name: str, value: str, asked: str) -> Test:
        if name.startswith("_has:"):
            return self._reverse(kind, name, value, asked)
        if "." in name:
            return self._chained(kind, name, value, asked)
        plain_name, _, modifier = name.partition(":")
        if plain_name in LINKS[kind]:
            return _reference(LINKS[kind][plain_name], modifier, value, asked)
        parameter = self._table.of(kind).get(plain_name)
        if parameter is None:
            raise FaultyParameter(asked, "unknown")
        if modifier == "missing":
            return _missing(lambda item: not parameter.values(item), value, asked)
        if isinstance(parameter, StringParameter):
            return _string(parameter, modifier, value, asked)
        return _token(parameter, modifier, value, asked)

    def _chained(self, kind: Kind, name: str, value: str, asked: str) -> Test:
        """``location.address-city`` or ``location:Location.address-city``: what it leads to passes the rest."""
        head, _, rest = name.partition(".")
        reference, _, typed = head.partition(":")
        target = LINKS[kind].get(reference)
        if target is None or typed not in {"", target}:
            raise FaultyParameter(asked, "unknown")
        if (target, rest, value) == ("Endpoint", "status", "active"):
            return always  # whoever is shown answers at an address
        return _any_of(kind, target, self._test(target, rest, value, asked))

    def _reverse(self, kind: Kind, name: str, value: str, asked: str) -> Test:
        """``_has:HealthcareService:endpoint:identifier``: what leads here passes the rest."""
        parts = name.split(":", 3)
        if len(parts) < 4 or parts[1] not in KINDS:
            raise FaultyParameter(asked, "unknown")
        source = parts[1]
        if LINKS[source].get(parts[2]) != kind:
            raise FaultyParameter(asked, "unknown")
        return _any_of(kind, source, self._test(source, parts[3], value, asked))


def _any_of(kind: Kind, target: Kind, test: Test) -> Test:
    """That a practice's resources of a kind come with one of another kind that passes a test."""
    if test is always and target in CERTAIN[kind]:
        return always
    return lambda item: any(map(test, items(target, item.practice)))


def _missing(is_missing: Callable[[Item], bool], value: str, asked: str) -> Test:
    if value not in {"true", "false"}:
        raise FaultyParameter(asked, "true-or-false")
    wanted = value == "true"
    return lambda item: is_missing(item) is wanted


def _string(parameter: StringParameter, modifier: str, value: str, asked: str) -> Test:
    values = [unescaped(part) for part in alternatives(asked, value)]
    read = parameter.values
    if modifier == "exact":
        if parameter.in_parts:
            return lambda item: any(part in values for text in read(item) for part in (text, *text.split()))
        return lambda item: any(text in values for text in read(item))
    folded = [plain(wanted) for wanted in values]
    if not all(folded):
        raise FaultyParameter(asked, "no-word")
    if modifier == "contains":
        return lambda item: any(_any_in(folded, folded_text(text)) for text in read(item))
    if modifier:
        raise FaultyParameter(asked, "modifier")
    if parameter.in_parts:
        begun = [f" {wanted}" for wanted in folded]
        return lambda item: any(_any_in(begun, f" {folded_text(text)}") for text in read(item))
    beginnings = tuple(folded)
    return lambda item: any(folded_text(text).startswith(beginnings) for text in read(item))


def _any_in(parts: Iterable[str], text: str) -> bool:
    return any(part in text for part in parts)


def _token(parameter: TokenParameter, modifier: str, value: str, asked: str) -> Test:
    parts = alternatives(asked, value)
    read = parameter.values
    if modifier == "text":
        texts = [words(unescaped(part)) for part in parts]
        return lambda item: any(words_begin(text, folded_text(coded.text)) for coded in read(item) for text in texts)
    tokens = [TokenValue.read(part) for part in parts]
    displays = {fold(unescaped(part)).strip() for part in parts} if parameter.by_display else set()

    def fits(item: Item) -> bool:
        return any(
            any(token.fits(coded) for token in tokens) or (bool(displays) and folded_display(coded.text) in displays)
            for coded in read(item)
        )

    if modifier == "not":
        return lambda item: not fits(item)
    if modifier:
        raise FaultyParameter(asked, "modifier")
    if parameter.constant is not None and any(token.fits(parameter.constant) for token in tokens):
        return always
    return fits


def _reference(target: Kind, modifier: str, value: str, asked: str) -> Test:
    if modifier == "missing":
        return _missing(lambda item: not items(target, item.practice), value, asked)
    parts = alternatives(asked, value)
    if modifier == "identifier":
        tokens = [TokenValue.read(part) for part in parts]
        if target not in {"Organization", "Practitioner"}:
            raise FaultyParameter(asked, "modifier")
        return lambda item: any(
            token.code == item.practice.telematik_id and token.system in {None, TELEMATIK_ID} for token in tokens
        )
    if modifier not in {"", target}:
        raise FaultyParameter(asked, "modifier")
    wanted = {_referenced(target, unescaped(part)) for part in parts}
    owners = {practice_of(resource_id) for resource_id in wanted}
    return lambda item: (
        item.practice.resource_id in owners
        and any(linked.resource_id in wanted for linked in items(target, item.practice))
    )


def _referenced(target: Kind, value: str) -> str:
    """The id in ``id``, ``Kind/id`` or an address that ends so; empty for another kind."""
    *kind, resource_id = value.rsplit("/", 2)
    return resource_id if not kind or kind[-1] == target else ""
