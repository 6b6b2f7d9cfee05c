"""Waits for news, but not for ever, and stops at once when told to."""

from __future__ import annotations

import asyncio


async def woken(event: asyncio.Event, within_s: float) -> bool:
    """Waits until the event is set, at most ``within_s`` seconds; whether it was set.

    ``asyncio.wait_for`` of Python 3.11 can swallow a cancellation that comes together with the event; a service would
    then not stop. ``asyncio.timeout`` does not.
    """
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
