"""How a step says what it expects, and what it found instead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sandbox.faults import SandboxFault

_POLL_S = 0.2
_Found = TypeVar("_Found")


class Unexpected(SandboxFault):
    """Something in the story is not as it should be; the text says what."""


def expect(condition: object, what: str) -> None:
    """Fails the step unless ``condition`` holds.

    Raises:
        Unexpected: with ``what`` should have been.
    """
    if not condition:
        raise Unexpected(what)


async def eventually(look: Callable[[], Awaitable[_Found | None]], what: str, *, within_s: float = 30.0) -> _Found:
    """Looks again and again until something is found.

    Raises:
        Unexpected: if nothing is found in time.
    """
    try:
        async with asyncio.timeout(within_s):
            while True:
                found = await look()
                if found is not None:
                    return found
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise Unexpected(f"{what}, not even after {within_s:.0f} s") from None
