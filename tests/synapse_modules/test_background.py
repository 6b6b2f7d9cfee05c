"""The supervisor of the module's tasks: what fails is counted and begun anew after waits that grow."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from synapse.module_api import ModuleApi
from twisted.internet.defer import CancelledError

from synapse_modules.adapters.background import BackgroundTasks


class _Ended(BaseException):
    """The process ends."""


class _Process:
    """Runs what is started at once, and ends after some waits."""

    def __init__(self, most_waits: int) -> None:
        self.waits: list[float] = []
        self._most_waits = most_waits
        self._started: list[tuple[object, ...]] = []
        self.api = Mock(spec=ModuleApi, delayed_background_call=self._call, sleep=self._sleep)

    def _call(self, _after_ms: float, *work: object, desc: str) -> None:
        assert desc
        self._started.append(work)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if len(self.waits) == self._most_waits:
            raise _Ended

    async def run(self) -> None:
        for supervise, *arguments in self._started:
            await supervise(*arguments)  # type: ignore[operator]


@pytest.mark.parametrize("fault", [ValueError, CancelledError])
async def test_rounds_go_on_after_whatever_fault_with_waits_that_grow(fault: type[Exception]) -> None:
    outcomes = [None, fault(), fault(), fault(), None, fault()]
    process, seen = _Process(len(outcomes)), []
    tasks = BackgroundTasks(process.api)

    async def work() -> None:
        seen.append("hek_work" in tasks.down)
        outcome = outcomes[len(seen) - 1]
        if outcome is not None:
            raise outcome

    tasks.repeat("hek_work", work, 7.0)
    with pytest.raises(_Ended):
        await process.run()
    assert seen == [False, False, True, True, True, False]
    assert process.waits == [7.0, 1.0, 2.0, 4.0, 7.0, 1.0]
    assert tasks.failures == {"hek_work": 4}
    assert tasks.down == {"hek_work"}


async def test_what_is_done_once_ends_when_it_is_done() -> None:
    process, left = _Process(10), [ValueError(), ValueError()]
    tasks = BackgroundTasks(process.api)

    async def work() -> None:
        if left:
            raise left.pop()

    tasks.once("hek_work", work)
    await process.run()
    assert process.waits == [1.0, 2.0]
    assert not tasks.down
    assert tasks.names == {"hek_work"}


async def test_a_name_is_given_once() -> None:
    tasks = BackgroundTasks(_Process(1).api)

    async def work() -> None: ...

    tasks.once("hek_work", work)
    with pytest.raises(ValueError, match="hek_work"):
        tasks.repeat("hek_work", work, 1.0)
