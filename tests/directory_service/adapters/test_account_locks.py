"""How often the directory asks the homeserver for locks: soon again until they are known, then seldom."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import pytest

from directory_service.adapters.account_locks import AccountLocks
from messenger_core.service_auth.client import CallFailed, ServiceClient

DOWN = CallFailed("changes")
UNREADABLE = {"next": "soon"}
NOTHING: Mapping[str, Any] = {"changes": [], "next": 1}
LOCKED: Mapping[str, Any] = {
    "changes": [{"user_id": "@erika:messenger.example", "kind": "insured", "what": "locked"}],
    "next": 1,
}


async def no_sessions(_user_ids: Sequence[str]) -> None:
    """Nobody is signed in."""


class _Ended(BaseException):
    """Nothing more is played; no reader of failures takes it for one."""


class _Homeserver:
    """Answers as it is told, and notes how long each question was ready to wait."""

    def __init__(self, answers: Iterator[CallFailed | Mapping[str, Any]]) -> None:
        self._answers = answers
        self.waits: list[int] = []

    async def call(self, _method: str, _path: str, *, scope: str, query: Mapping[str, int]) -> Mapping[str, Any]:
        assert scope == "account:events"
        self.waits.append(query["wait"])
        answer = next(self._answers, None)
        if answer is None:
            raise _Ended
        if isinstance(answer, CallFailed):
            raise answer
        return answer


async def followed(*answers: CallFailed | Mapping[str, Any]) -> tuple[AccountLocks, _Homeserver, list[float]]:
    """Follows a homeserver that gives some answers, until the last; and the pauses that were asked for, none made."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    homeserver = _Homeserver(iter(answers))
    locks = AccountLocks(cast("ServiceClient", homeserver), pause, end_sessions=no_sessions)
    with pytest.raises(_Ended):
        await locks.follow()
    return locks, homeserver, pauses


async def test_until_locks_are_known_the_homeserver_is_asked_twice_a_second(caplog: pytest.LogCaptureFixture) -> None:
    """Both start together; nobody searches before, and for half a minute that is no fault."""
    locks, homeserver, pauses = await followed(*[DOWN] * 60, NOTHING)
    assert pauses == [0.5] * 60
    assert not caplog.records
    assert locks.known
    assert homeserver.waits == [*[0] * 61, 25], "it waits at the homeserver when nothing was missed, not before"


async def test_a_homeserver_that_stays_away_is_asked_seldom_and_missed(caplog: pytest.LogCaptureFixture) -> None:
    locks, _, pauses = await followed(*[DOWN] * 63)
    assert pauses == [*[0.5] * 60, *[5.0] * 3]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    assert not locks.known


async def test_later_one_failure_may_be_a_restart_and_the_next_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    locks, homeserver, pauses = await followed(NOTHING, DOWN, DOWN, DOWN, NOTHING, DOWN, UNREADABLE)
    assert pauses == [0.5, 5.0, 5.0, 0.5, 5.0]
    assert len(caplog.records) == 3
    assert locks.known, "what was known is not forgotten"
    assert homeserver.waits == [0, *[25] * 7]


async def test_failures_before_an_answer_do_not_count_after_it() -> None:
    """An answer with changes says nothing yet about what else there is; it is an answer all the same."""
    locks, _, pauses = await followed(*[DOWN] * 40, LOCKED, *[DOWN] * 40)
    assert pauses == [0.5] * 80
    assert locks.is_locked("@erika:messenger.example")
    assert not locks.known


async def test_the_sessions_of_who_is_locked_end_before_it_is_taken_as_done() -> None:
    """What could not be ended is ended at the next try, since the same changes are asked for again."""
    tries: list[list[str]] = []

    async def end_sessions(user_ids: Sequence[str]) -> None:
        tries.append(list(user_ids))
        if len(tries) == 1:
            raise OSError("no database")

    locks = AccountLocks(cast("ServiceClient", _Homeserver(iter([LOCKED, LOCKED]))), end_sessions=end_sessions)
    with pytest.raises(OSError, match="no database"):
        await locks.follow_once(0)
    assert not locks.is_locked("@erika:messenger.example")
    await locks.follow_once(0)
    assert tries == [["@erika:messenger.example"]] * 2
    assert locks.is_locked("@erika:messenger.example")
