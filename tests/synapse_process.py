"""Starts Synapse's processes: for tests as forks of one that has loaded Synapse already, which takes most of a start.

What a fork runs is Synapse's own ``main`` with an operator's arguments. The sandbox, and with it the system tests,
start Synapse as an operator does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Protocol

HOMESERVER, WORKER = "synapse.app.homeserver", "synapse.app.generic_worker"


class SynapseProcess(Protocol):
    """What tests do with a process; ``subprocess.Popen`` has it all."""

    @property
    def pid(self) -> int:
        """Its number."""

    def poll(self) -> int | None:
        """Its exit code, below zero the signal that ended it; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its exit code."""

    def send_signal(self, sig: int, /) -> None:
        """Sends a signal, unless it has ended."""

    def terminate(self) -> None:
        """Asks it to end."""

    def kill(self) -> None:
        """Ends it at once."""


class _Fork:
    """A process that was forked off the one that has loaded Synapse."""

    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        assert process.pid is not None, "it was started"
        self.pid = process.pid
        self._process = process

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return self._process.exitcode

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


_loaded: ForkServerContext | None = None


def fork_from_now_on() -> None:
    """From now on processes are forks; benchmarks, which measure them, leave it at real starts."""
    global _loaded  # noqa: PLW0603 - of this process, as the one that forks is
    _loaded = multiprocessing.get_context("forkserver")
    _loaded.set_forkserver_preload(["tests.loaded_synapse"])


def start_synapse(app: str, settings: Sequence[Path], *, folder: Path, log: Path) -> SynapseProcess:
    """Starts a process of Synapse's without waiting.

    Args:
        app: ``HOMESERVER`` or ``WORKER``.
        settings: its settings files, in their order.
        folder: where it runs.
        log: where its output is added.
    """
    arguments = [word for file in settings for word in ("-c", str(file))]
    if _loaded is None:
        with log.open("ab") as output:
            return subprocess.Popen([sys.executable, "-m", app, *arguments], cwd=folder, stdout=output, stderr=output)
    process = _loaded.Process(
        target=_run, args=(app, arguments, str(folder), str(log), dict(os.environ)), name=app, daemon=True
    )
    process.start()
    return _Fork(process)


def _run(app: str, arguments: list[str], folder: str, log: str, environment: dict[str, str]) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    # As ``python -m`` does it.
    sys.path.insert(0, folder)

    from tests.loaded_synapse import run

    run(app, arguments)
