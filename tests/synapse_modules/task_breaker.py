"""A Synapse module for tests: background tasks whose names stand in a file fail until they no longer stand there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from synapse.module_api import ModuleApi

from synapse_modules.adapters.background import BackgroundTasks, Work

_LONGEST_PAUSE_S = 0.2


class TaskBreaker:
    """Stands before the messenger's own module; writes the names of the tasks that it starts into a file, too."""

    def __init__(self, config: dict[str, Any], _api: ModuleApi) -> None:
        folder = Path(config["folder"])
        start = BackgroundTasks._start

        def start_broken(tasks: BackgroundTasks, name: str, work: Work, pause_s: Callable[[], float] | None) -> None:
            async def work_unless_broken() -> None:
                if name in (folder / "broken-tasks").read_text().split():
                    raise RuntimeError
                await work()

            with (folder / "tasks").open("a") as names:
                names.write(f"{name}\n")
            often = None if pause_s is None else lambda: min(pause_s(), _LONGEST_PAUSE_S)
            start(tasks, name, work_unless_broken, often)

        BackgroundTasks._start = start_broken  # type: ignore[method-assign, assignment]

    @staticmethod
    def parse_config(config: dict[str, Any]) -> dict[str, Any]:
        """Takes ``{"folder": PATH}``."""
        return config
