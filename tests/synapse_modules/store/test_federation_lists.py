"""The stored federation list on SQLite and PostgreSQL: its version never goes back."""

from __future__ import annotations

from typing import Any

import pytest

from synapse_modules.rules.federation_list import FederationList, ListedServer
from synapse_modules.store.federation import FederationLists, ListStamp, OlderList

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
