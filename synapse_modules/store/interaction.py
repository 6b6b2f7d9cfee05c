"""How the stores reach Synapse's database: one function a transaction, ``?`` placeholders on both engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")


class Transaction(Protocol):
    """What of Synapse's ``LoggingTransaction`` the stores use."""

    @property
    def rowcount(self) -> int:
        """How many rows the last statement changed."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Runs one statement."""
        ...

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""
        ...

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All remaining rows."""
        ...


class Database(Protocol):
    """Runs work in one transaction; it is run again if the database asks for it."""

    async def run(self, description: str, work: Callable[[Transaction], Result]) -> Result:
        """Runs ``work`` and commits, or rolls back if it raises."""
        ...


def placeholders(values: Sequence[object]) -> str:
    """``?, ?, ?`` for an IN list; never empty, so that an empty list matches nothing."""
    return ", ".join("?" * len(values)) or "NULL"
