"""Has the homeserver seal every KVNR with its newest key, call by call; killed and run again, it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from homeserver_tools.exit_status import ExitStatus
from homeserver_tools.settings import ToolSettings
from messenger_core.homeserver_interface import CALLS_PREFIX
from messenger_core.service_auth.client import CallFailed

_CALL = f"{CALLS_PREFIX}/kvnr-keys/rotate"
_SCOPE = "kvnr-key:rotate"


async def _rotate(settings: ToolSettings, say: Callable[[str], None]) -> None:
    async with settings.client() as client:
        sealed, remaining = 0, 1
        while remaining:
            answer = await client.call("POST", _CALL, scope=_SCOPE, body={})
            sealed, remaining = sealed + answer["resealed"], answer["remaining"]
            if remaining:
                say(f"{sealed} KVNRs sealed with the newest key, {remaining} to go")
    say(f"{sealed} KVNRs sealed with the newest key, none remains: older keys may be taken out of the file")


def rotate_keys(settings: ToolSettings, say: Callable[[str], None]) -> ExitStatus:
    """Rotates, and returns the exit status."""
    try:
        asyncio.run(_rotate(settings, say))
    except CallFailed as fault:
        say(f"not finished, run it again to go on: {fault}")
        return ExitStatus.UNFINISHED
    return ExitStatus.DONE
