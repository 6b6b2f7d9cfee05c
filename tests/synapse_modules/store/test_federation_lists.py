"""The stored federation list on SQLite and PostgreSQL: its version never goes back."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from synapse_modules.rules.federation_list import FederationList, ListedServer
from synapse_modules.store.federation import FederationLists, ListStamp, OlderList
from tests.synapse_modules.store.conftest import RealDatabase, opened_database

PRACTICES = ListedServer("praxis.example", is_insurance=False)
INSURANCE = ListedServer("kasse.example", is_insurance=True, iks=("101570104", "109500969"))


def a_list(version: int, *servers: ListedServer) -> FederationList:
    return FederationList(version, {server.domain: server for server in servers})


async def test_before_the_first_list_nobody_ever_confirmed_one(database: Any) -> None:
    assert await FederationLists(database).servers() == (ListStamp(0, 0), {})


async def test_a_newer_list_takes_the_place_of_the_older_one_as_a_whole(database: Any) -> None:
    lists = FederationLists(database)
    await lists.replace(a_list(1, PRACTICES, INSURANCE), at=10)
    await lists.replace(a_list(2, INSURANCE), at=20)
    assert await lists.servers() == (ListStamp(2, 20), {"kasse.example": INSURANCE})


async def test_an_older_list_changes_nothing(database: Any) -> None:
    lists = FederationLists(database)
    await lists.replace(a_list(5, INSURANCE), at=10)
    with pytest.raises(OlderList):
        await lists.replace(a_list(4, PRACTICES), at=20)
    assert await lists.servers() == (ListStamp(5, 10), {"kasse.example": INSURANCE})


async def test_a_confirmation_counts_for_the_list_that_was_meant_and_never_goes_back(database: Any) -> None:
    lists = FederationLists(database)
    await lists.replace(a_list(5, INSURANCE), at=10)
    await lists.confirm(4, at=20)
    assert await lists.stamp() == ListStamp(5, 10)
    await lists.confirm(5, at=30)
    await lists.confirm(5, at=25)
    assert await lists.stamp() == ListStamp(5, 30)


class _Deadly(dict[str, ListedServer]):
    """Kills the process that reads it when the first server is written."""

    def values(self) -> Iterator[ListedServer]:  # type: ignore[override]
        yield PRACTICES
        os.kill(os.getpid(), signal.SIGKILL)


def _die_in_the_middle(url: str) -> None:
    with opened_database(url) as connection:
        lists = FederationLists(RealDatabase(connection))
        asyncio.run(lists.replace(FederationList(2, _Deadly()), at=20))


async def test_a_kill_in_the_middle_of_a_list_leaves_the_one_that_was_there(database: Any, database_url: str) -> None:
    """Neither its version nor its servers are half of the one and half of the other."""
    lists = FederationLists(database)
    await lists.replace(a_list(1, PRACTICES, INSURANCE), at=10)
    writer = multiprocessing.get_context("spawn").Process(target=_die_in_the_middle, args=(database_url,))
    writer.start()
    writer.join(60)
    assert writer.exitcode == -signal.SIGKILL
    stored = {"praxis.example": PRACTICES, "kasse.example": INSURANCE}
    assert await lists.servers() == (ListStamp(1, 10), stored)
    await lists.replace(a_list(2, INSURANCE), at=30)
    assert await lists.servers() == (ListStamp(2, 30), {"kasse.example": INSURANCE})
