"""Finds the practices that match a search; ``rules.matching`` says what matches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.matching import Search, SearchWord
from directory_service.rules.practice import Practice
from directory_service.store.practice_rows import COLUMNS, as_practice
from directory_service.store.tables import practice, practice_specialty


@dataclass(frozen=True, slots=True)
class Position:
    """The last practice of the page before."""

    name: str
    resource_id: str


@dataclass(frozen=True, slots=True)
class Found:
    """One page of what was found.

    Attributes:
        total: how many practices match, on all pages.
        practices: those of this page, by name.
        next_page: where the next page begins, or None on the last.
    """

    total: int
    practices: list[Practice]
    next_page: Position | None


def _has_specialty(codes: Iterable[str]) -> sa.ColumnElement[bool]:
    of_practice = practice_specialty.c.telematik_id == practice.c.telematik_id
    return sa.exists().where(of_practice, practice_specialty.c.code.in_(sorted(codes)))


def _has_word(word: SearchWord) -> sa.ColumnElement[bool]:
    # Folded words are letters and digits alone: nothing in them is special to LIKE.
    in_texts = practice.c.all_words.like(f"% {word.text}%")
    return sa.or_(in_texts, _has_specialty(word.specialties)) if word.specialties else in_texts


def _begins(column: sa.Column[str], beginnings: Iterable[str]) -> sa.ColumnElement[bool]:
    return sa.or_(*(column.like(f"{beginning}%") for beginning in beginnings))


def _conditions(search: Search) -> list[sa.ColumnElement[bool]]:
    return [
        practice.c.open_to_insured,
        *map(_has_word, search.words),
        *(_begins(practice.c.city_words, group) for group in search.cities),
        *(_begins(practice.c.postcode, group) for group in search.postcodes),
        *(_has_specialty(group) for group in search.specialties),
    ]


class PracticeSearch:
    """Searches practices that insured people may find; no other practice is ever found."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, search: Search, *, count: int, after: Position | None = None) -> Found:
        """One page of at most ``count`` practices, by name.

        Args:
            search: what must fit; a search without any part finds every one of them.
            count: the size of the page.
            after: the end of the page before.
        """
        conditions = _conditions(search)
        order = (practice.c.name_words, practice.c.resource_id)
        page = sa.select(*COLUMNS, practice.c.name_words).where(*conditions).order_by(*order).limit(count + 1)
        if after is not None:
            page = page.where(sa.tuple_(*order) > sa.tuple_(after.name, after.resource_id))
        counting = sa.select(sa.func.count()).select_from(practice).where(*conditions)
        async with self._engine.connect() as connection:
            total = (await connection.execute(counting)).scalar_one()
            rows = (await connection.execute(page)).all()
            shown = rows[:count]
            last = Position(shown[-1].name_words, shown[-1].resource_id) if len(rows) > count else None
            return Found(total, [as_practice(row) for row in shown], last)
