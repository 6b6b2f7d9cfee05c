"""One insured person reaches no other: each route of the table is closed, and open to those who may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future

import pytest

from tests.synapse_modules.federation import Federation
from tests.system.attack_routes import TABLE
from tests.system.attack_routes.table import Route
from tests.system.attack_routes.trials import Trial, trying

_MOST_OPEN = 5


@pytest.fixture(scope="module")
def trials(request: pytest.FixtureRequest, federation: Federation) -> Iterator[Mapping[str, Future[Trial]]]:
    """Every route that this run asks for is being tried, several at once."""
    asked = {item.name for item in request.session.items}
    with trying(federation, [route for route in TABLE if f"test_route[{route.name}]" in asked]) as running:
        yield running


@pytest.mark.parametrize("route", TABLE, ids=[route.name for route in TABLE])
def test_route(trials: Mapping[str, Future[Trial]], route: Route) -> None:
    trial = trials[route.name].result()
    assert trial.permitted, "what is at stake shows between nobody: the attempt shows nothing"
    assert bool(trial.attempted) is bool(route.open_because), trial.attempted


def test_the_table_is_long_and_what_is_open_is_proved() -> None:
    assert len(TABLE) >= 100
    assert sum(bool(route.open_because) for route in TABLE) <= _MOST_OPEN
