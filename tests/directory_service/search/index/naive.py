"""The search as a person would do it: look at each practice, keep what fits, sort. No code of the index helps it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from directory_service.rules.opening_hours import OpenState
from directory_service.rules.profile import Position
from directory_service.search.fields import SEARCH_FIELDS
from directory_service.search.index.entry import IndexedPractice
from directory_service.search.index.query import SearchQuery

Row = tuple[str, str | None, int | None]


def steps(one: str, other: str) -> int:
    """Optimal string alignment distance, by its textbook table."""
    table = {(row, -1): row + 1 for row in range(-1, len(one))} | {
        (-1, column): column + 1 for column in range(-1, len(other))
    }
    for row, left in enumerate(one):
        for column, right in enumerate(other):
            best = min(
                table[row - 1, column] + 1, table[row, column - 1] + 1, table[row - 1, column - 1] + (left != right)
            )
            if row and column and left == other[column - 1] and one[row - 1] == right:
                best = min(best, table[row - 2, column - 2] + 1)
            table[row, column] = best
    return table[len(one) - 1, len(other) - 1]


def kind(asked: str, word: str, medical: Iterable[str]) -> int | None:
    """0 the same, 1 its beginning, 2 or 3 one or two errors, 4 inside."""
    if asked == word:
        return 0
    if word[: len(asked)] == asked:
        return 1
    letters = asked.isalpha()
    if letters and word.isalpha() and asked not in medical and len(asked) >= 3:
        swallowed = [
            at
            for at, two in enumerate(zip(asked, asked[1:] + " ", strict=True), 1)
            if two[0] in "aou" and two[1] != "e"
        ]
        typed = [asked, *(asked[:at] + "e" + asked[at:] for at in swallowed)]
        near = [one for one in typed if steps(one, word) == 1 and (len(one) > 3 or len(word) == 4)]
        if near:
            return 2
        if steps(asked, word) == 2 and len(asked) >= 8 and asked[0] == word[0]:
            return 3
    return 4 if letters and len(asked) >= 4 and asked in word else None


def metres(one: Position, other: Position) -> float:
    a, b, c, d = map(math.radians, (one.latitude, one.longitude, other.latitude, other.longitude))
    cosine = math.sin(a) * math.sin(c) + math.cos(a) * math.cos(c) * math.cos(b - d)
    east = math.hypot(
        math.cos(c) * math.sin(d - b), math.cos(a) * math.sin(c) - math.sin(a) * math.cos(c) * math.cos(d - b)
    )
    return 6_371_000 * math.atan2(east, cosine)


def state(practice: IndexedPractice, at: datetime) -> OpenState:
    if practice.absence and practice.absence.holds(at):
        return OpenState.CLOSED
    here = at.astimezone(ZoneInfo("Europe/Berlin"))
    blocks = practice.opening_hours.blocks_on(here.date())
    if blocks is None:
        return OpenState.UNKNOWN
    minute = 60 * here.hour + here.minute
    return OpenState.OPEN if any(b.opens <= minute < b.closes for b in blocks) else OpenState.CLOSED


def best_kind(asked: str, texts: Iterable[str], medical: Mapping[str, str]) -> int | None:
    """How well the best of some words fits; one that stands for another fits like that, but never as the same."""
    kinds = [found for word in texts if (found := kind(asked, word, medical)) is not None]
    if other := medical.get(asked):
        kinds += [max(1, found) for word in texts if (found := kind(other, word, {other})) is not None]
    return min(kinds, default=None)


def worst_kind(practice: IndexedPractice, query: SearchQuery, medical: Mapping[str, str]) -> int | None:
    name = practice.name.split()
    every = [*name, *practice.city.split(), *practice.postcode.split(), *practice.specialty_words]
    worst = 0
    for asked, texts in [(word, every) for word in query.words] + [(word, name) for word in query.name_words]:
        best = best_kind(asked, texts, medical)
        if best is None:
            return None
        worst = max(worst, best)
    for group in query.alternatives:
        kinds = [worst_kind(practice, SearchQuery(words=words, for_insured=False), medical) for words in group]
        if not (fitting := [one for one in kinds if one is not None]):
            return None
        worst = max(worst, min(fitting))
    return worst


def passes(practice: IndexedPractice, query: SearchQuery) -> bool:
    away = metres(query.origin, practice.position) if query.origin and practice.position else math.inf
    return (
        not (query.for_insured and practice.hidden)
        and query.person in {None, practice.person}
        and (query.only is None or practice.resource_id in query.only)
        and all(practice.city and practice.city.startswith(group) for group in query.cities)
        and all(practice.postcode and practice.postcode.startswith(group) for group in query.postcodes)
        and all(group & set(practice.specialties) for group in query.specialties)
        and all(
            any(code.casefold() in condition.keys for code in codes)
            for condition in query.conditions
            for field, codes in zip(SEARCH_FIELDS, practice.codes, strict=True)
            if field.name == condition.field
        )
        and (query.within_m is None or away <= query.within_m)
    )


def scan(practices: Iterable[IndexedPractice], query: SearchQuery, medical: Mapping[str, str]) -> tuple[list[Row], int]:
    """All that fit as ``(id, reason, metres)``, in their order; and how many would, were their hours known.

    ``medical`` are the words that are no typing errors, with what each stands for (itself nothing: empty).
    """
    reasons = ["exact", "prefix", "typo", "typo", "infix"]
    rows = []
    unknown = 0
    for practice in practices:
        worst = worst_kind(practice, query, medical)
        if worst is None or not passes(practice, query):
            continue
        if query.open_at is not None and (found := state(practice, query.open_at)) not in query.open_states:
            unknown += found is OpenState.UNKNOWN
            continue
        away = round(metres(query.origin, practice.position)) if query.origin and practice.position else None
        last = 10**9 if query.origin and away is None else away or 0
        reason = reasons[worst] if query.has_words else None
        rows.append((worst, last, practice.name, practice.resource_id, reason, away))
    rows.sort()
    return [(row[3], row[4], row[5]) for row in rows], unknown
