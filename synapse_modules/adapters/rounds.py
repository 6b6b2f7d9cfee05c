"""The loop over many that every round has: what fails is logged, hinders no other, and is tried again next round."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from messenger_core.log import fault_without_text

logger = logging.getLogger(__name__)

_Item = TypeVar("_Item")


async def for_each(items: Iterable[_Item], act: Callable[[_Item], Awaitable[None]], *, otherwise: str) -> None:
    """Does something with each of some items, one after the other.

    Args:
        items: what to do it with.
        act: does it with one; must be safe to be interrupted, and to be repeated.
        otherwise: what the log says if that fails.
    """
    for item in items:
        try:
            await act(item)
        except Exception as fault:  # noqa: BLE001 - whatever it was, the others are not kept waiting
            logger.warning("%s: %s", otherwise, fault_without_text(fault))
