"""The homeserver's own minimum age of what is erased, whatever retention says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from unittest.mock import AsyncMock, Mock

import pytest

from messenger_core.account_kinds import RoomKind
from messenger_core.calendar_periods import months_before, to_milliseconds
from messenger_core.problem import Problem
from messenger_core.service_auth.token_grant import Caller
from synapse_modules.adapters.erasure_calls import ErasureCalls
from synapse_modules.adapters.machine_http import MachineRequest

NOW = datetime.now(UTC)
OLDEST = months_before(NOW, 60)


def erasures(minimum_age_years: int | None) -> tuple[ErasureCalls, AsyncMock]:
    """The call over a support room in which nothing is left, and what would purge it."""
    events = AsyncMock()
    events.media_of_others.return_value = frozenset()
    events.known_media.return_value = set()
    events.received_before.return_value = []
    calls = ErasureCalls(
        Mock(server_name="x"),
        rooms=AsyncMock(),
        register=AsyncMock(settle=AsyncMock(return_value=Mock(kind=RoomKind.SUPPORT, insured_user_id="@erika:x"))),
        events=events,
        audit=AsyncMock(),
        synapse=Mock(has_media=True),
        minimum_age_years=minimum_age_years,
    )
    return calls, events.clear_leftovers


def request(before_ms: int) -> MachineRequest:
    """Retention's call for a room."""
    body = json.dumps({"room_id": "!support:x", "before": before_ms, "media": []}).encode()
    return MachineRequest(caller=Caller("retention", "erasure:act"), query={}, body=body)


@pytest.mark.parametrize(
    "before_ms",
    [
        to_milliseconds(OLDEST + timedelta(hours=25)),
        to_milliseconds(NOW),
        to_milliseconds(NOW + timedelta(days=365)),
        2**53,
    ],
    ids=["a day too young", "now", "in a year", "at the end of time"],
)
async def test_what_is_younger_is_refused_before_anything_is_touched(before_ms: int) -> None:
    calls, touched = erasures(5)
    with pytest.raises(Problem) as refusal:
        await calls.erase(request(before_ms))
    assert (refusal.value.status, refusal.value.slug) == (409, "too-young")
    touched.assert_not_awaited()


async def test_what_is_old_enough_is_erased() -> None:
    calls, touched = erasures(5)
    assert await calls.erase(request(to_milliseconds(OLDEST))) == {"remaining_events": 0, "remaining_media": 0}
    touched.assert_awaited_once()


async def test_without_a_minimum_everything_may_be_erased() -> None:
    calls, touched = erasures(None)
    await calls.erase(request(2**53))
    touched.assert_awaited_once()
