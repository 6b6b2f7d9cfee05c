"""How the directory is followed when it does not fit what is stored."""

from __future__ import annotations

from unittest.mock import AsyncMock, Mock

import pytest
from synapse.module_api import ModuleApi

from synapse_modules.adapters.directory_client import DirectoryClient
from synapse_modules.adapters.reachability_watch import ReachabilityWatch
from synapse_modules.store.reachability import OutOfStep, Position, Reachability


class _Stopped(BaseException):
    """Ends the watch, which outlives every exception."""


async def test_versions_that_never_fit_do_not_keep_the_process_busy() -> None:
    """The whole set is asked for, each time after a pause."""
    client, reachability = Mock(spec=DirectoryClient), Mock(spec=Reachability)
    reachability.position = AsyncMock(return_value=Position(7, "m"))
    client.reachable = AsyncMock(side_effect=[Mock(), Mock(), _Stopped])
    reachability.apply = AsyncMock(side_effect=OutOfStep)
    api = Mock(spec=ModuleApi, sleep=AsyncMock())
    with pytest.raises(_Stopped):
        await ReachabilityWatch(api, client, reachability).follow()
    assert [call.args for call in client.reachable.await_args_list] == [
        (Position(7, "m"),),
        (Position(0, ""),),
        (Position(0, ""),),
    ]
    assert [call.args[0] > 0 for call in api.sleep.await_args_list] == [True, True]
