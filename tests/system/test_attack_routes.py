"""One insured person reaches no other: each route of the table is closed, and open to those who may."""

from __future__ import annotations

import asyncio

import pytest

from tests.synapse_modules.federation import Federation
from tests.system.attack_routes import TABLE
from tests.system.attack_routes.judge import signs_of_attack, signs_of_control
from tests.system.attack_routes.table import Control, Route

_MOST_OPEN = 5


@pytest.mark.parametrize("route", TABLE, ids=[route.name for route in TABLE])
async def test_route(federation: Federation, route: Route) -> None:
    attempted, permitted = (
        await asyncio.gather(signs_of_attack(federation, route), signs_of_control(federation, route))
        if route.control is Control.BARE
        else (
            await signs_of_attack(federation, route),
            # People of one server sign in one after the other: the provider admits whomever the test names.
            await signs_of_control(federation, route),
        )
    )
    assert permitted, "nobody at all gets through: the attempt shows nothing"
    assert bool(attempted) is bool(route.open_because), attempted


def test_the_table_is_long_and_what_is_open_is_proved() -> None:
    assert len(TABLE) >= 100
    assert sum(bool(route.open_because) for route in TABLE) <= _MOST_OPEN
