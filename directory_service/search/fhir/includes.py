"""Which linked resources are sent along: ``_include`` and ``_revinclude``, also ``:iterate``.

Whatever is linked is sent, active or not: clients have to look (FHIR R4, 3.1.1.5.6).
"""

from __future__ import annotations

from collections.abc import Iterator

from directory_service.rules.fhir.items import KINDS, LINKS, Item, Kind, items
from directory_service.rules.fhir.values import FaultyParameter

_Link = tuple[Kind, str]


def possible(kind: Kind) -> tuple[str, ...]:
    """The values of ``_include`` for a search of one kind."""
    return "*", *(f"{kind}:{name}" for name in LINKS[kind])


def possible_reverse(kind: Kind) -> tuple[str, ...]:
    """The values of ``_revinclude`` for a search of one kind."""
    return tuple(f"{source}:{name}" for source in KINDS for name, target in LINKS[source].items() if target == kind)


def _links(parameter: str, value: str) -> list[_Link]:
    """``Kind:parameter``, ``Kind:*``, ``Kind:parameter:Target``."""
    source, *rest = value.split(":")
    if source not in KINDS or not 1 <= len(rest) <= 2:
        raise FaultyParameter(parameter, "include")
    if rest == ["*"]:
        return [(source, name) for name in LINKS[source]]
    target = LINKS[source].get(rest[0])
    if target is None or rest[1:] not in ([], [target]):
        raise FaultyParameter(parameter, "include")
    return [(source, rest[0])]


def include(kind: Kind, reached: frozenset[Kind], parameter: str, value: str) -> frozenset[Kind]:
    """The kinds sent along with a kind that matches, after one more ``_include`` or ``_revinclude``.

    Args:
        kind: what is searched.
        reached: the kinds sent along so far.
        parameter: ``_include`` or ``_revinclude``, maybe with ``:iterate``.
        value: as it was sent.

    Raises:
        FaultyParameter: ``include``, if there is no such link.
    """
    name, _, modifier = parameter.partition(":")
    if modifier not in {"", "iterate"}:
        raise FaultyParameter(parameter, "modifier")
    starts = reached | {kind} if modifier else {kind}
    if name == "_include":
        links = (
            [(start, link) for start in starts for link in LINKS[start]] if value == "*" else _links(parameter, value)
        )
        return reached | {LINKS[source][link] for source, link in links if source in starts}
    if value == "*":
        pairs = [(source, link) for source in KINDS for link, target in LINKS[source].items() if target in starts]
    else:
        pairs = _links(parameter, value)
    return reached | {source for source, link in pairs if LINKS[source][link] in starts}


def included(matches: list[Item], kinds: frozenset[Kind]) -> Iterator[Item]:
    """The resources sent along with a page of matches, each once and none that matched."""
    shown = {match.reference for match in matches}
    for match in matches:
        for kind in KINDS:
            if kind not in kinds:
                continue
            for item in items(kind, match.practice):
                if item.reference not in shown:
                    shown.add(item.reference)
                    yield item
