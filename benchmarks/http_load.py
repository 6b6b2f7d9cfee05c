"""Sends requests over kept connections and measures; it does so little itself that the server is what is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured: how long each request took (sorted), and all together."""

    times_ms: tuple[float, ...]
    seconds: float

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return len(self.times_ms) / self.seconds

    def at(self, share: float) -> float:
        """The time in ms within which a share of the requests was answered."""
        return self.times_ms[min(len(self.times_ms) - 1, int(len(self.times_ms) * share))]


async def load(port: int, paths: Sequence[str], *, token: str, connections: int, seconds: float) -> Load:
    """Sends requests over some connections, one after another on each, for some seconds.

    Raises:
        RuntimeError: if any answer is not 200.
    """
    head = f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    requests = cycle([f"GET {path}{head}".encode() for path in paths])
    times: list[float] = []
    started = time.perf_counter()
    until = started + seconds

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            sent = time.perf_counter()
            writer.write(next(requests))
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"the server answered {answer[:30]!r}")
            await reader.readexactly(int(answer.lower().split(b"content-length:")[1].split(b"\r\n", 1)[0]))
            times.append((time.perf_counter() - sent) * 1000)
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(one_connection())
    return Load(tuple(sorted(times)), time.perf_counter() - started)
