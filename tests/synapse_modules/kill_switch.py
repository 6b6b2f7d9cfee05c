"""A Synapse module for tests: kills its own process, without any farewell, at a point that the test has named."""

from __future__ import annotations

import functools
import importlib
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from synapse.module_api import ModuleApi


class KillSwitch:
    """Reads its point from a file, ``package.module:Class.method before|after COUNT``, when the process starts."""

    def __init__(self, config: dict[str, Any], _api: ModuleApi) -> None:
        point = Path(config["file"])
        if not point.exists():
            return
        place, moment, count = point.read_text().split()
        # Once: the process that comes next lives.
        point.unlink()
        module, _, name = place.partition(":")
        owner_name, _, method = name.partition(".")
        owner = getattr(importlib.import_module(module), owner_name)
        setattr(owner, method, _deadly(getattr(owner, method), moment, int(count)))

    @staticmethod
    def parse_config(config: dict[str, Any]) -> dict[str, Any]:
        """Takes ``{"file": PATH}``."""
        return config


def _deadly(work: Callable[..., Awaitable[Any]], moment: str, count: int) -> Callable[..., Awaitable[Any]]:
    calls = 0

    @functools.wraps(work)
    async def until_death(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await work(*args, **kwargs)
        if calls == count and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return until_death
