"""TLS in front of an application: asks each client for its certificate and passes it on, whoever signed it.

Python's own ``ssl`` can only ask for certificates that it trusts; RFC 8705, 2.2 wants self-signed ones, which the
application compares with registered keys. Reverse proxies know this as ``optional_no_ca``. One request a connection.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web
from OpenSSL import SSL

CERTIFICATE_HEADER = "X-Client-Certificate"
_CHUNK = 16_384
_LARGEST_HEAD = 65_536
_TIMEOUT_S = 30.0


def _context(server_file: Path) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.use_privatekey_file(str(server_file))
    context.use_certificate_file(str(server_file))
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET)
    return context


class _Tls:
    """One connection's TLS, over memory."""

    def __init__(self, context: SSL.Context, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tls = SSL.Connection(context, None)
        self._tls.set_accept_state()
        self._reader = reader
        self._writer = writer

    async def _flush(self) -> None:
        with suppress(SSL.WantReadError):
            while True:
                self._writer.write(self._tls.bio_read(_CHUNK))
        await self._writer.drain()

    async def _fill(self) -> None:
        received = await self._reader.read(_CHUNK)
        if not received:
            raise ConnectionError
        self._tls.bio_write(received)

    async def handshake(self) -> bytes | None:
        """Greets; returns the client's certificate (DER), if it showed one."""
        while True:
            try:
                self._tls.do_handshake()
            except SSL.WantReadError:
                await self._flush()
                await self._fill()
            else:
                await self._flush()
                break
        certificate = self._tls.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            return None
        from cryptography.hazmat.primitives.serialization import Encoding

        return certificate.public_bytes(Encoding.DER)

    async def read(self) -> bytes:
        """Some bytes."""
        while True:
            try:
                return self._tls.recv(_CHUNK)
            except SSL.WantReadError:
                await self._flush()
                await self._fill()

    async def write(self, data: bytes) -> None:
        """Sends bytes."""
        for start in range(0, len(data), _CHUNK):
            self._tls.sendall(data[start : start + _CHUNK])
            await self._flush()

    async def close(self) -> None:
        """Says goodbye."""
        with suppress(SSL.Error):
            self._tls.shutdown()
            await self._flush()


def _rewritten(head: bytes, certificate: bytes | None) -> tuple[bytes, int]:
    """The request's head with our own header in place of a forged one, and how long its body is."""
    request, *lines = head.split(b"\r\n")
    kept, length = [request], 0
    for line in lines:
        name, _, value = line.partition(b":")
        lower = name.strip().lower()
        if lower in {CERTIFICATE_HEADER.lower().encode(), b"connection"}:
            continue
        if lower == b"content-length":
            length = int(value)
        kept.append(line)
    kept.append(b"Connection: close")
    if certificate is not None:
        kept.append(f"{CERTIFICATE_HEADER}: {base64.b64encode(certificate).decode()}".encode())
    return b"\r\n".join(kept) + b"\r\n\r\n", length


async def _pass_on(tls: _Tls, socket: Path) -> None:
    certificate = await tls.handshake()
    received = b""
    while b"\r\n\r\n" not in received:
        received += await tls.read()
        if len(received) > _LARGEST_HEAD:
            raise ConnectionError
    head, _, body = received.partition(b"\r\n\r\n")
    head, length = _rewritten(head, certificate)
    while len(body) < length:
        body += await tls.read()
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(head + body)
        while answer := await reader.read(_CHUNK):
            await tls.write(answer)
        await tls.close()
    finally:
        writer.close()


@asynccontextmanager
async def served(app: web.Application, *, server_file: Path, host: str, port: int) -> AsyncIterator[None]:
    """Serves an application by TLS until the block is left."""
    context = _context(server_file)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    with TemporaryDirectory() as folder:
        socket = Path(folder, "app")
        await web.UnixSite(runner, socket).start()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(SSL.Error, OSError, ValueError, TimeoutError):
                async with asyncio.timeout(_TIMEOUT_S):
                    await _pass_on(_Tls(context, reader, writer), socket)
            writer.close()

        server = await asyncio.start_server(connected, host, port)
        try:
            yield
        finally:
            server.close()
            await runner.cleanup()
