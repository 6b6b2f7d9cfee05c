"""How the directory is followed when it does not fit what is stored."""

from __future__ import annotations

from unittest.mock import AsyncMock, Mock

from synapse_modules.adapters.directory_client import DirectoryClient, DirectoryFault
from synapse_modules.adapters.reachability_watch import ReachabilityWatch
from synapse_modules.store.reachability import OutOfStep, Position, Reachability


async def test_versions_that_never_fit_do_not_keep_the_process_busy() -> None:
    """The whole set is asked for, each time after a pause."""
    client, reachability = Mock(spec=DirectoryClient), Mock(spec=Reachability)
    reachability.position = AsyncMock(return_value=Position(7, "m"))
    reachability.apply = AsyncMock(side_effect=OutOfStep)
    watch = ReachabilityWatch(client, reachability)
    for _ in range(3):
        await watch.follow()
        assert watch.pause_s() > 0
    assert [call.args for call in client.reachable.await_args_list] == [
        (Position(7, "m"),),
        (Position(0, ""),),
        (Position(0, ""),),
    ]


async def test_an_outage_is_waited_out_with_growing_pauses_and_is_no_fault() -> None:
    """What the directory does not say is no reason to call this process ill."""
    client, reachability = Mock(spec=DirectoryClient), Mock(spec=Reachability)
    reachability.position, reachability.apply = AsyncMock(return_value=Position(7, "m")), AsyncMock()
    client.reachable = AsyncMock(side_effect=[DirectoryFault("away"), DirectoryFault("away"), Mock()])
    watch = ReachabilityWatch(client, reachability)
    pauses = []
    for _ in range(3):
        await watch.follow()
        pauses.append(watch.pause_s())
    assert pauses[2] < pauses[0] < pauses[1]
