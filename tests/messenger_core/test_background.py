"""Background tasks: whatever ends one is logged, counted and mended, and seen from outside while it lasts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from messenger_core.background import BackgroundTaskFailed, BackgroundTasks, OnFault, RestartPolicy
from messenger_core.backoff import Backoff

_QUICK = RestartPolicy(Backoff(first_s=0.01, most_s=0.02), steady_s=0.05)
_SLOW = RestartPolicy(Backoff(first_s=600, most_s=600), steady_s=600)
_SECRET = "Erika Mustermann"


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - nothing tells when it will
            await asyncio.sleep(0.005)


def _failing(times: int, fault: Callable[[], BaseException]) -> tuple[Callable[[], Awaitable[None]], list[int]]:
    """Work that fails so often and then goes on for ever, and the list that grows with each start."""
    starts: list[int] = []

    async def work() -> None:
        starts.append(len(starts))
        if len(starts) <= times:
            raise fault()
        await asyncio.Event().wait()

    return work, starts


@pytest.mark.parametrize(
    "fault", [lambda: KeyError(_SECRET), asyncio.CancelledError, lambda: ExceptionGroup("", [OSError()])]
)
async def test_a_failed_task_is_down_until_it_runs_again(
    fault: Callable[[], BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    work, starts = _failing(2, fault)
    async with BackgroundTasks(_QUICK) as tasks:
        tasks.start("feed", work)
        await _until(lambda: "feed" in tasks.down)
        await _until(lambda: len(starts) == 3 and not tasks.down)
        assert dict(tasks.failures) == {"feed": 2}
        assert not tasks.ended.is_set()
        tasks.raise_fault()
    assert "feed failed, and begins anew" in caplog.text
    assert _SECRET not in caplog.text


async def test_a_task_that_somebody_kills_begins_anew() -> None:
    work, starts = _failing(0, KeyError)
    async with BackgroundTasks(_QUICK) as tasks:
        tasks.start("feed", work)
        await _until(lambda: len(starts) == 1)
        next(task for task in asyncio.all_tasks() if task.get_name() == "feed").cancel()
        await _until(lambda: len(starts) == 2 and not tasks.down)
        assert dict(tasks.failures) == {"feed": 1}


async def test_a_task_stays_down_while_it_waits_and_takes_no_other_along() -> None:
    work, starts = _failing(1, KeyError)
    other, others_starts = _failing(0, KeyError)
    async with BackgroundTasks(_SLOW) as tasks:
        tasks.start("feed", work)
        tasks.start("locks", other)
        await _until(lambda: tasks.down == {"feed"})
        await asyncio.sleep(0.05)
        assert (len(starts), len(others_starts)) == (1, 1)
        assert tasks.names == {"feed", "locks"}


async def test_a_task_without_which_nothing_may_go_on_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    work, starts = _failing(9, KeyError)
    async with BackgroundTasks(_QUICK) as tasks:
        tasks.start("feed", work, on_fault=OnFault.END_PROCESS)
        await asyncio.wait_for(tasks.ended.wait(), 10)
        assert (sorted(tasks.down), len(starts)) == (["feed"], 1)
        with pytest.raises(BackgroundTaskFailed, match="feed"):
            tasks.raise_fault()
    assert any(record.levelno == logging.CRITICAL for record in caplog.records)


async def test_a_task_that_returns_has_ended_well() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    async with BackgroundTasks(_QUICK) as tasks:
        tasks.start("once", work)
        await asyncio.sleep(0.05)
        assert (tasks.down, dict(tasks.failures)) == (frozenset(), {"once": 0})


async def test_closing_waits_until_every_task_has_cleared_up() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.02)
            ended.append("cleared up")

    tasks = BackgroundTasks(_QUICK)
    tasks.start("feed", work)
    await asyncio.sleep(0.01)
    await tasks.close()
    assert (ended, dict(tasks.failures)) == (["cleared up"], {"feed": 0})


async def test_a_name_is_given_once() -> None:
    work, _ = _failing(0, KeyError)
    async with BackgroundTasks(_QUICK) as tasks:
        tasks.start("feed", work)
        with pytest.raises(ValueError, match="feed"):
            tasks.start("feed", work)


def test_a_task_that_ran_for_long_begins_to_count_anew() -> None:
    policy = RestartPolicy(Backoff(first_s=1, most_s=8), steady_s=10)
    assert policy.failures_in_a_row(5, ran_s=9.9) == 6
    assert policy.failures_in_a_row(5, ran_s=10) == 1
    assert [policy.wait_s(failures) for failures in (1, 2, 9)] == [1, 2, 8]
