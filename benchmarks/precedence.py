"""Lets what is measured run before everything else on a busy machine, and always on the same processors."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_PRIORITY = 1


def _threads(processes: Iterable[int]) -> list[int]:
    return [int(task.name) for process in processes for task in Path(f"/proc/{process}/task").iterdir()]


@contextmanager
def kept_apart(servers: Iterable[int], others: Iterable[int]) -> Iterator[None]:
    """Meanwhile servers have one processor, and what works for them the rest.

    The threads of a Python process take turns (GIL). Spread over processors, each turn costs as much as work.
    """
    processors = sorted(os.sched_getaffinity(0))
    wanted = dict.fromkeys(_threads(servers), processors[:1]) | dict.fromkeys(_threads(others), processors[1:])
    before = {thread: os.sched_getaffinity(thread) for thread in wanted}
    _place(wanted if len(processors) > 1 else before)
    try:
        yield
    finally:
        _place(before)


def _place(threads: Mapping[int, Iterable[int]]) -> None:
    for thread, processors in threads.items():
        if Path(f"/proc/{thread}").exists():
            os.sched_setaffinity(thread, processors)


@contextmanager
def precedence(processes: Iterable[int]) -> Iterator[bool]:
    """Meanwhile the threads of some processes run as soon as they can, whoever else wants to; says whether they do.

    It needs a right that root has (Linux: real-time scheduling, which leaves others a twentieth of the time). What
    the machine does apart from scheduling, such as sharing its caches, goes on.
    """
    threads = _threads(processes)
    before = {thread: (os.sched_getscheduler(thread), os.sched_getparam(thread)) for thread in threads}
    try:
        for thread in threads:
            os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(_PRIORITY))
    except PermissionError:
        yield False
        return
    try:
        yield True
    finally:
        for thread, (policy, parameter) in before.items():
            if Path(f"/proc/{thread}").exists():
                os.sched_setscheduler(thread, policy, parameter)
