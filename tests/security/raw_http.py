"""Requests that no well-behaved client sends: half ones, heavy ones, compressed ones."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit

_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back before the connection ended; ``status`` is 0 if the connection was ended without an answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def request_head(method: str, address: str, headers: Mapping[str, str]) -> bytes:
    """The request line and headers, with the empty line that ends them."""
    parts = urlsplit(address)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def send(
    method: str, address: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, within_s: float = 60
) -> RawAnswer:
    """Sends a whole request over a connection of its own, whatever it is, and reads what comes back.

    Raises:
        TimeoutError: if the server neither answers nor hangs up.
    """
    parts = urlsplit(address)
    sizes = {} if headers and "Transfer-Encoding" in headers else {"Content-Length": str(len(body))}
    head = request_head(method, address, {"Connection": "close", **sizes, **(headers or {})})
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            # A server that refuses before it has read everything answers and hangs up.
            with suppress(ConnectionError):
                writer.write(head + body)
                await writer.drain()
            return await _answer(reader)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> RawAnswer:
    received = io.BytesIO()
    with suppress(ConnectionError):
        while chunk := await reader.read(_READ_BYTES):
            received.write(chunk)
    answer = HTTPResponse(_Received(received.getvalue()))  # type: ignore[arg-type]  # all that it asks of a socket
    try:
        answer.begin()
        return RawAnswer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    except (HTTPException, ConnectionError):
        return RawAnswer(0, {}, b"")


class _Received:
    """What came, as a socket that can be read."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        """As a file."""
        return io.BytesIO(self._content)


def gzip_of_zeros(unpacked_bytes: int) -> bytes:
    """About a thousandth of its size once unpacked, made without ever holding it."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
        block = bytes(1024 * 1024)
        for _ in range(unpacked_bytes // len(block)):
            file.write(block)
    return packed.getvalue()


def form_of_fields(size_bytes: int) -> bytes:
    """A form with as many fields as fit."""
    return b"a&" * (size_bytes // 2)


def nested_json(depth: int) -> bytes:
    """A list in a list in a list …"""
    return b"[" * depth + b"]" * depth


def json_of_fields(count: int) -> bytes:
    """An object with many fields that nobody described."""
    return json.dumps({f"f{number}": 1 for number in range(count)}).encode()


class HalfRequests:
    """Connections on which a request was begun and is not ended."""

    def __init__(self, address: str, begun: bytes) -> None:
        """Takes a server's address and what is sent on each connection."""
        self._address = urlsplit(address)
        self._begun = begun
        self._connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def open(self, count: int, *, source: str | None = None) -> int:
        """Opens connections, as many as the server lets; returns how many it took.

        Args:
            count: how many are tried.
            source: the loopback address that they come from.
        """
        opened = 0
        for _ in range(count):
            try:
                async with asyncio.timeout(5):
                    reader, writer = await asyncio.open_connection(
                        self._address.hostname, self._address.port, local_addr=(source, 0) if source else None
                    )
                    writer.write(self._begun)
                    await writer.drain()
            except OSError:
                continue
            self._connections.append((reader, writer))
            opened += 1
        return opened

    async def send(self, more: bytes) -> None:
        """Sends more on each connection."""
        for _, writer in self._connections:
            with suppress(ConnectionError):
                writer.write(more)
                await writer.drain()

    async def count_open(self) -> int:
        """How many of them the server still keeps."""
        still = 0
        for reader, writer in self._connections:
            try:
                async with asyncio.timeout(0.01):
                    while await reader.read(_READ_BYTES):
                        pass
            except TimeoutError:
                still += 1
            except ConnectionError:
                pass
            else:
                writer.close()
        return still

    async def close(self) -> None:
        """Hangs up."""
        for _, writer in self._connections:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        self._connections.clear()
