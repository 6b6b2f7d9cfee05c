"""A homeserver for files, an account's transfer of them, and a line between the two that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from hypothesis import strategies as st
from nio.crypto import decrypt_attachment, encrypt_attachment
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import make_engine
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.media.attachment_cipher import Sealing
from messenger_core.matrix.media.transfer import MediaTransfer
from messenger_core.matrix.store.media_ledger import MediaLedger
from sandbox.key_sign_in import sign_in_with_key
from tests.bare_homeserver import CLIENT_ID, SERVER_NAME, Homeserver
from tests.messenger_core.matrix.conftest import make_session_tables

ROOM = "!room:session.localhost"
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
LARGEST = 128 * 1024 * 1024


@dataclass
class Line:
    """A TCP line to the homeserver.

    Attributes:
        port: where it listens.
        cut_after: so many bytes of one direction of the next connections are passed on, then it is cut; None: all.
        slow_s: so long a request that begins with ``PUT`` is held back.
        swallow: the answers to the next so many requests that begin with ``swallowed`` are lost.
    """

    homeserver: str
    port: int = 0
    cut_after: int | None = None
    slow_s: float = 0
    swallowed: bytes = b""
    swallow: int = 0
    cuts: int = 0
    requests: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes one connection on."""
        target = urlsplit(self.homeserver)
        assert target.port is not None
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target.port)
        lost = asyncio.Event()
        both = (
            self._pass_on(reader, there_writer, lost, out=True),
            self._pass_on(there_reader, writer, lost, out=False),
        )
        with suppress(OSError, asyncio.IncompleteReadError):
            await asyncio.gather(*both)
        for end in (writer, there_writer):
            end.close()
            with suppress(OSError):
                await end.wait_closed()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event, *, out: bool
    ) -> None:
        passed = 0
        while piece := await reader.read(65536):
            if out and piece[:4] in {b"GET ", b"PUT ", b"POST"}:
                first = piece.partition(b"\r\n")[0]
                self.requests.append(first.decode())
                await asyncio.sleep(self.slow_s if first.startswith(b"PUT ") else 0)
                if self.swallow and first.startswith(self.swallowed):
                    self.swallow -= 1
                    lost.set()
            if not out and lost.is_set():
                break
            passed += len(piece)
            if self.cut_after is not None and passed > self.cut_after:
                self.cut_after, self.cuts = None, self.cuts + 1
                break
            writer.write(piece)
            await writer.drain()
        writer.close()


@dataclass
class MediaScene:
    """One account and its files."""

    homeserver: Homeserver
    line: Line
    engine: AsyncEngine
    calls: HomeserverCalls
    ledger: MediaLedger
    transfer: MediaTransfer
    spool: Path

    async def given(self, mxc: str) -> bytes:
        """What the homeserver has under an address."""
        path = f"{self.homeserver.url}/_matrix/client/v1/media/download/{mxc.removeprefix('mxc://')}"
        headers = {"Authorization": f"Bearer {self.calls.access_token}"}
        async with aiohttp.ClientSession() as http, http.get(path, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def taken(self, data: bytes) -> str:
        """The address under which the homeserver took some bytes, as another client uploads them."""
        path = f"{self.homeserver.url}/_matrix/media/v3/upload"
        headers = {"Authorization": f"Bearer {self.calls.access_token}", "Content-Type": "application/octet-stream"}
        async with aiohttp.ClientSession() as http, http.post(path, data=data, headers=headers) as answer:
            answer.raise_for_status()
            return str((await answer.json())["content_uri"])

    async def noted(self) -> dict[str, list[str]]:
        """The whole media ledger."""
        return await self.ledger.used_before(datetime.now(UTC) + timedelta(days=3650))


@asynccontextmanager
async def media_scene(homeserver: Homeserver, folder: Path, *, outage_s: float = 60) -> AsyncIterator[MediaScene]:
    """A fresh account at a homeserver, reached through a line."""
    line = Line(homeserver.url)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    user_id = f"@media-{folder.name.replace('_', '-')}:{SERVER_NAME}".lower()

    async def sign_in(device_id: str) -> str:
        signed_in = await sign_in_with_key(
            homeserver.url, user_id=user_id, client_id=CLIENT_ID, key=homeserver.key, device_id=device_id
        )
        return signed_in.access_token

    engine = make_engine(f"sqlite:///{folder}/service.db")
    await make_session_tables(engine)
    calls = HomeserverCalls(f"http://127.0.0.1:{line.port}", user_id, "MEDIA", sign_in, dict)
    await calls.connect()
    ledger, spool = MediaLedger(engine), folder / "session" / "spool"
    transfer = MediaTransfer(calls, ledger, spool, LARGEST, outage_s=outage_s)
    try:
        yield MediaScene(homeserver, line, engine, calls, ledger, transfer, spool)
    finally:
        await calls.close()
        server.close()
        await engine.dispose()


def open_files(folder: Path) -> list[int]:
    """The file descriptors of this process that lie in a folder, named or not."""
    return [int(link.name) for link in Path("/proc/self/fd").iterdir() if _target(link).startswith(str(folder))]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


async def sealed(scene: MediaScene, data: bytes) -> dict[str, Any]:
    """An ``EncryptedFile`` object as nio makes it."""
    ciphertext, described = encrypt_attachment(data)
    return {**described, "url": await scene.taken(ciphertext)}


async def unsealed(scene: MediaScene, described: dict[str, Any]) -> bytes:
    """What nio reads from an ``EncryptedFile`` object."""
    ciphertext = await scene.given(described["url"])
    data: bytes = decrypt_attachment(ciphertext, described["key"]["k"], described["hashes"]["sha256"], described["iv"])
    return data


MXC = "mxc://session.localhost/abcDEF_123"


def seal(pieces: list[bytes]) -> tuple[bytes, dict[str, Any]]:
    sealing = Sealing()
    ciphertext = b"".join([sealing.update(piece) for piece in pieces])
    return ciphertext, sealing.described(MXC)


texts = st.text("aB9/:.-_ \u202e\ud800", max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
