"""How long a service needs to start, and how much memory, with many rooms: in processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from benchmarks.watched_process import usage
from messenger_core.service_auth.keys import generate_private_key, write_private_key
from sandbox.ports import reserve_port
from tests.system.nothing_lost.supervised_service import SupervisedService

_REPOSITORY = Path(__file__).parents[1]
_PATIENCE_S = 1200.0


@dataclass(frozen=True, slots=True)
class StartUp:
    """One size.

    Attributes:
        first_s: from the start of the process until the first sync is written down and the next one is asked for.
        again_s: the same at the second start, when the position is known.
        memory_mb: the most memory that the process held at once, the first sync included.
        memory_again_mb: the same at the second start.
        answer_s: how much of ``first_s`` the homeserver needed to give its answer.
    """

    first_s: float
    again_s: float
    memory_mb: float
    memory_again_mb: float
    answer_s: float


def measure_start(folder: Path, rooms: int, *, watch_s: float) -> StartUp:
    """Starts a service twice for an account in so many rooms.

    Args:
        folder: an empty folder.
        rooms: how many.
        watch_s: how long its memory is watched once it has started.
    """
    key_file = folder / "service.jwk"
    write_private_key(generate_private_key(), key_file)
    with _stand_in(rooms, folder / "stand-in.log") as url:
        service = SupervisedService(folder, url, key_file)
        first, moments, memory_mb = _start(service, url, watch_s)
        again, _, memory_again_mb = _start(service, url, watch_s)
    return StartUp(first, again, memory_mb, memory_again_mb, moments["answered"] - moments["first"])


def _start(service: SupervisedService, url: str, watch_s: float) -> tuple[float, dict[str, float], float]:
    urlopen(Request(f"{url}/moments", method="DELETE")).close()  # noqa: S310 - our own address
    begun = time.monotonic()
    service.start()
    try:
        deadline = begun + _PATIENCE_S
        while "next" not in (moments := _moments(url)):
            service.assert_alive()
            if time.monotonic() > deadline:
                raise TimeoutError("the service did not start")
            time.sleep(0.1)
        time.sleep(watch_s)
        return moments["next"] - begun, moments, usage(service.pid).peak_mb
    finally:
        service.kill()


def _moments(url: str) -> dict[str, float]:
    # While it generates its long answer it does not look up for a moment or two.
    with urlopen(f"{url}/moments", timeout=60) as answer:  # noqa: S310 - our own address
        moments: dict[str, Any] = json.load(answer)
    return moments


@contextmanager
def _stand_in(rooms: int, log: Path) -> Iterator[str]:
    port = reserve_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "benchmarks.many_rooms", str(port), str(rooms)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=_REPOSITORY, stdout=output, stderr=output)  # noqa: S603
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                _moments(url)
            except (URLError, OSError):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                break
        yield url
    finally:
        process.kill()
        process.wait()
