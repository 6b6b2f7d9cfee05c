"""A service account at work, for the tests of its desk and its conversation."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.retention.adapters.service import ERIKA, FIRST, SECOND, THIRD, Service
from tests.retention.stand_ins import HomeserverStandIn, client_of, serving


@pytest.fixture
async def service(engine: AsyncEngine) -> AsyncIterator[Service]:
    """A process that was just started; Erika is in three care rooms."""
    homeserver = HomeserverStandIn(
        accounts={ERIKA: ("insured", False), "@doctor:x": ("practice", False)},
        membership={(ERIKA, room): "join" for room in (FIRST, SECOND, THIRD)},
    )
    async with serving(homeserver) as url, client_of(url) as client:
        yield Service(engine, homeserver, client)
