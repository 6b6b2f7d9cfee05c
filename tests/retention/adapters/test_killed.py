"""Killed at any call and started again: every consent is carried out, nothing is left that was not chosen."""

from datetime import UTC, datetime

import pytest

from messenger_core.matrix import ReceivedEvent
from tests.retention.adapters.service import FIRST, SECOND, THIRD, Killed, Life, Service

# More calls than one run makes; the run with the last of them is not killed, which the test checks.
_CALLS = 48


async def _lives_through(service: Service, answer: list[ReceivedEvent]) -> None:
    """One process from its start: sends what is to be sent, takes in the answer, carries it out."""
    await service.desk.work_once()
    if service.account.texts("offer "):
        if not answer:
            answer.append(service.event("1 3", sent_at=datetime.now(UTC)))
        await service.handle(answer[0])
    await service.work()


@pytest.mark.parametrize("ends_at", range(1, _CALLS + 1))
async def test_an_offer_is_carried_out_whenever_the_process_is_killed(service: Service, ends_at: int) -> None:
    await service.offer()
    answer: list[ReceivedEvent] = []
    life = Life(ends_at)
    service.start(life)
    try:
        await _lives_through(service, answer)
    except Killed:
        service.start_anew()
        await _lives_through(service, answer)
    else:
        assert life.calls < ends_at
    assert service.present() == {FIRST: "forgotten", SECOND: "join", THIRD: "forgotten"}
    assert len(service.account.texts("offer ")) == 1
    [result] = service.account.texts("result ")
    assert "1. Chat verlassen und für Sie gelöscht" in result
    assert "3. Chat verlassen und für Sie gelöscht" in result
    assert await service.offers.unfinished() == []
    assert {event_id for _, event_id, _ in service.homeserver.consents} == {"$answer"}
    assert len(service.account.rooms) == 1


async def test_the_last_point_of_killing_lies_beyond_the_end(service: Service) -> None:
    life = Life()
    service.start(life)
    await service.offer()
    await _lives_through(service, [])
    assert 15 < life.calls < _CALLS
