"""A Synapse module for tests: at a point that the test has named, it kills its own process or its database's."""

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
    """Reads its point from a file, ``package.module:Class.method before|after COUNT VICTIM``, when the process starts.

    The victim is ``homeserver``, or the process id of a PostgreSQL: then one of its connections is killed, upon which
    the server ends all of them and recovers as after a crash. The homeserver stands still from then on, since the
    database is back so soon that it could finish its work before anybody looked.
    """

    def __init__(self, config: dict[str, Any], _api: ModuleApi) -> None:
        point = Path(config["file"])
        if not point.exists():
            return
        place, moment, count, victim = point.read_text().split()
        # Once: the process that comes next lives.
        point.unlink()
        module, _, name = place.partition(":")
        owner_name, _, method = name.partition(".")
        owner = getattr(importlib.import_module(module), owner_name)
        setattr(owner, method, _deadly(getattr(owner, method), moment, int(count), victim))

    @staticmethod
    def parse_config(config: dict[str, Any]) -> dict[str, Any]:
        """Takes ``{"file": PATH}``."""
        return config


def _kill(victim: str) -> None:
    if victim == "homeserver":
        os.kill(os.getpid(), signal.SIGKILL)
    for child in Path(f"/proc/{victim}/task/{victim}/children").read_text().split():
        if Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"postgres: postgres synapse_"):
            os.kill(int(child), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGSTOP)
            return
    raise AssertionError("the database has no connection to this homeserver")


def _deadly(work: Callable[..., Awaitable[Any]], moment: str, count: int, victim: str) -> Callable[..., Awaitable[Any]]:
    calls = 0

    @functools.wraps(work)
    async def until_death(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        # Others may be called before this one is done.
        is_meant = calls == count
        if is_meant and moment == "before":
            _kill(victim)
        result = await work(*args, **kwargs)
        if is_meant and moment == "after":
            _kill(victim)
        return result

    return until_death
