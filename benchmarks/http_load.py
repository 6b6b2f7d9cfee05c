"""Sends requests over kept connections and measures; it does so little itself that the server is what is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

import aiohttp
from yarl import URL


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
    loop = asyncio.get_running_loop()
    times: list[float] = []
    started = time.perf_counter()
    ends = [loop.create_future() for _ in range(connections)]
    for ended in ends:
        connection = _Connection(requests, times, started + seconds, ended)
        await loop.create_connection(lambda connection=connection: connection, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    return Load(tuple(sorted(times)), time.perf_counter() - started)


async def bodies(port: int, paths: Sequence[str], *, token: str, connections: int) -> list[bytes]:
    """What each of some requests is answered with, in their order."""
    connector = aiohttp.TCPConnector(limit=connections)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{port}", connector=connector, headers=headers, raise_for_status=True
    ) as http:

        async def body(path: str) -> bytes:
            async with http.get(URL(path, encoded=True)) as answer:
                return await answer.read()

        return await asyncio.gather(*map(body, paths))


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last is there; looks at no more of it than it must."""

    def __init__(
        self, requests: Iterator[bytes], times: list[float], until: float, ended: asyncio.Future[None]
    ) -> None:
        self._requests, self._times, self._until, self._ended = requests, times, until, ended
        self._sent = 0.0
        self._head = b""
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            head, there, body = (self._head + data).partition(b"\r\n\r\n")
            if not there:
                self._head = head
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self._end(RuntimeError(f"the server answered {head[:30]!r}"))
                return
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            self._head, self._left = b"", length - len(body)
        if self._left == 0:
            now = time.perf_counter()
            self._times.append((now - self._sent) * 1000)
            if now < self._until:
                self._send()
            else:
                self._end()

    def connection_lost(self, _fault: Exception | None) -> None:
        self._end(RuntimeError("the server closed the connection"))

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))

    def _end(self, fault: Exception | None = None) -> None:
        if not self._ended.done():
            self._ended.set_exception(fault) if fault else self._ended.set_result(None)
            self._transport.close()
