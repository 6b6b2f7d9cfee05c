"""Starts the sandbox's processes, watches them, and stops them together."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import aiohttp

from sandbox.faults import SandboxFault

_START_S = 90.0
_STOP_S = 7.0
_POLL_S = 0.1
_LOG_TAIL_BYTES = 8_192
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class StartFailed(SandboxFault):
    """A process did not start, or ended by itself; the text names it, the reason and its log file."""

    def __init__(self, name: str, reason: str, log_file: Path) -> None:
        super().__init__(f"{name} failed: {reason} (log file: {log_file})")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to run.

    Attributes:
        name: what it is called in messages and as log file.
        arguments: of the Python interpreter.
        health: the address that answers 200 when it can work.
    """

    name: str
    arguments: Sequence[str]
    health: str


@dataclass(slots=True)
class _Running:
    spec: ProcessSpec
    process: asyncio.subprocess.Process
    log: IO[bytes] = field(repr=False)
    log_file: Path = field(repr=False)


def bound_to(parent: int) -> Callable[[], None]:
    """What a child process does before it starts: it asks the kernel to die with its parent, however that ends."""

    def bind() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return bind


def last_words(log_file: Path) -> str:
    """The last meaningful lines of a log as one line: the last one that is not indented, and what belongs to it."""
    with log_file.open("rb") as log:
        log.seek(max(0, log_file.stat().st_size - _LOG_TAIL_BYTES))
        lines = log.read().decode(errors="replace").splitlines()
    words: list[str] = []
    for line in reversed(lines):
        if not any(letter.isalnum() for letter in line):
            continue
        words.insert(0, line.strip())
        if not line[0].isspace():
            break
    return " ".join(words)


class Processes:
    """The processes of one sandbox; each has a log file of its own."""

    def __init__(self, log_folder: Path) -> None:
        self._log_folder = log_folder
        self._running: dict[str, _Running] = {}

    async def start(self, spec: ProcessSpec) -> None:
        """Starts a process and waits until it answers.

        Raises:
            StartFailed: if it ends before, or does not answer in time.
        """
        log_file = self._log_folder / f"{spec.name}.log"
        log = log_file.open("wb")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *spec.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A session of its own: Ctrl-C reaches the sandbox alone, which then stops everything in order.
            start_new_session=True,
            preexec_fn=bound_to(os.getpid()),
        )
        running = _Running(spec, process, log, log_file)
        self._running[spec.name] = running
        await self._until_healthy(running)

    async def _until_healthy(self, running: _Running) -> None:
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with asyncio.timeout(_START_S), aiohttp.ClientSession(timeout=timeout) as http:
                while True:
                    if running.process.returncode is not None:
                        raise self._ended(running)
                    if await _answers(http, running.spec.health):
                        return
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            reason = f"it did not answer at {running.spec.health} within {_START_S:.0f} s"
            raise StartFailed(running.spec.name, reason, running.log_file) from None

    @staticmethod
    def _ended(running: _Running) -> StartFailed:
        code = running.process.returncode
        assert code is not None
        how = f"it ended with exit code {code}" if code >= 0 else f"it was ended by {signal.Signals(-code).name}"
        words = last_words(running.log_file)
        return StartFailed(running.spec.name, f"{how}: {words}" if words else how, running.log_file)

    async def watch(self) -> None:
        """Returns never; raises as soon as one of the processes ends by itself.

        Raises:
            StartFailed: naming the process.
        """
        waiting = {asyncio.create_task(running.process.wait()): running for running in self._running.values()}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        raise self._ended(waiting[next(iter(done))])

    async def stop_all(self) -> None:
        """Asks all processes to stop, at the same time, and ends those that have not after seven seconds."""
        await asyncio.gather(*(self._stop(running) for running in self._running.values()))
        self._running.clear()

    @staticmethod
    async def _stop(running: _Running) -> None:
        process = running.process
        try:
            if process.returncode is None:
                process.terminate()
                async with asyncio.timeout(_STOP_S):
                    await process.wait()
        except ProcessLookupError:
            pass
        except TimeoutError:
            process.kill()
            await process.wait()
        finally:
            running.log.close()


async def _answers(http: aiohttp.ClientSession, address: str) -> bool:
    try:
        async with http.get(address) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
