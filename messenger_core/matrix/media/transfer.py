"""Fetches and uploads files in bounded memory; what passes through the disk is ciphertext."""

from __future__ import annotations

import asyncio
import hashlib
import json
import mimetypes
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from messenger_core.backoff import Backoff
from messenger_core.matrix.events import FileToSend
from messenger_core.matrix.faults import FileAway, FileUnreadable, SendFailed
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.media.addresses import UploadAddresses
from messenger_core.matrix.media.attachment_cipher import EncryptedFile, Sealing
from messenger_core.matrix.media.file_content import FileDetails, encrypted_file, encrypted_thumbnail, media_addresses
from messenger_core.matrix.media.file_kind import LOOKED_AT_BYTES, kind_of
from messenger_core.matrix.media.incoming_file import IncomingFile
from messenger_core.matrix.media.spool import PIECE_BYTES, Spool, SpooledFile
from messenger_core.matrix.retries import Retries
from messenger_core.matrix.store.media_ledger import MediaLedger

_DOWNLOAD = "/_matrix/client/v1/media/download/{}/{}"
_UPLOAD = "/_matrix/media/v3/upload/{}/{}"
_LIMITS = "/_matrix/client/v1/media/config"
_WHO_AM_I = "/_matrix/client/v3/account/whoami"
# Fewer than the addresses that Synapse lets one account have unfilled (max_pending_media_uploads: 5).
_UPLOADS_AT_ONCE = 4
_OUTAGE_S = 60.0


class MediaTransfer:
    """The files of one account."""

    def __init__(
        self,
        calls: HomeserverCalls,
        ledger: MediaLedger,
        spool: Path,
        largest_file_bytes: int,
        *,
        outage_s: float = _OUTAGE_S,
    ) -> None:
        """Takes the folder for files in transit, this account's alone, and for how long an outage is waited out."""
        self._calls = calls
        self._ledger = ledger
        self._spool = Spool(spool)
        self._largest_file_bytes = largest_file_bytes
        self._outage_s = outage_s
        self._addresses = UploadAddresses(calls, ledger)
        self._uploads = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    @asynccontextmanager
    async def fetch(self, room_id: str, content: Mapping[str, Any], sent_at: datetime) -> AsyncIterator[IncomingFile]:
        """The file of a message, verified before a byte of it is given out, for as long as the block runs.

        Every address that the message names is in the media ledger first. A thumbnail that cannot be read is left out.

        Args:
            room_id: where the message stands.
            content: its content in clear.
            sent_at: when it was sent.

        Raises:
            FileUnreadable: if there is no such file, it is too large, or it is not what the message says.
            SendFailed: if the homeserver could not be asked, or the disk is full.
        """
        for mxc in media_addresses(content):
            await self._ledger.record(mxc, room_id, sent_at)
        described = encrypted_file(content)
        async with AsyncExitStack() as spooled:
            ciphertext = await spooled.enter_async_context(self._spool.file())
            await self._download(described, ciphertext)
            thumbnail = await self._thumbnail(content, spooled)
            yield await _as_what_it_is(
                IncomingFile(FileDetails.from_content(content), thumbnail, ciphertext, described.key)
            )

    async def _thumbnail(self, content: Mapping[str, Any], spooled: AsyncExitStack) -> IncomingFile | None:
        try:
            described = encrypted_thumbnail(content)
            ciphertext = await spooled.enter_async_context(self._spool.file())
            await self._download(described, ciphertext)
        except FileUnreadable:
            return None
        named = IncomingFile(FileDetails.of_thumbnail(content), None, ciphertext, described.key)
        thumbnail = await _as_what_it_is(named)
        return thumbnail if thumbnail.message_type == "m.image" else None

    async def _download(self, described: EncryptedFile, ciphertext: SpooledFile) -> None:
        try:
            await self._download_once(described, ciphertext)
        except SendFailed as refusal:
            if refusal.status != 401:
                raise
            # A stream cannot renew an access token that ended; this call does.
            await self._calls.get(_WHO_AM_I)
            await self._download_once(described, ciphertext)

    async def _download_once(self, described: EncryptedFile, ciphertext: SpooledFile) -> None:
        found = hashlib.sha256()
        path = self._calls.path(_DOWNLOAD, *described.mxc.removeprefix("mxc://").split("/"))
        # Compressed, a few bytes could become many at once.
        headers = {"Accept-Encoding": "identity"}
        async with self._calls.stream("GET", path, headers=headers) as answer:
            if answer.status != 200:
                raise await _not_given(answer)
            async for piece in answer.content.iter_chunked(PIECE_BYTES):
                if ciphertext.size + len(piece) > self._largest_file_bytes:
                    raise FileUnreadable("too_large")
                found.update(piece)
                await ciphertext.write(piece)
        if found.digest() != described.sha256:
            raise FileUnreadable("wrong_hash")
        if not described.key.lasts_for(ciphertext.size):
            raise FileUnreadable("bad_iv")

    async def upload(
        self, room_id: str, file: FileToSend | IncomingFile | Path, used_at: datetime, *, caption: str | None = None
    ) -> dict[str, Any]:
        """Encrypts a file with a fresh key and uploads it, its thumbnail too; a short outage is waited out.

        Args:
            room_id: where it will be sent; its address is in the media ledger for this room before the upload begins.
            file: in memory, as it was received (within its ``fetch`` block), or on disk; read once, in pieces.
            used_at: when it is sent.
            caption: what is written to it.

        Returns:
            The content of the ``m.room.message`` that shows it.

        Raises:
            SendFailed: if the homeserver refused or stayed away, or the disk is full; ``M_TOO_LARGE`` if the file is
                larger than we or the homeserver allow.
        """
        details = _details(file)
        described, size = await self._upload(room_id, file, used_at)
        info = details.info_of(size)
        if isinstance(file, IncomingFile) and file.thumbnail is not None:
            info["thumbnail_file"], thumbnail_size = await self._upload(room_id, file.thumbnail, used_at)
            info["thumbnail_info"] = file.thumbnail.details.info_of(thumbnail_size)
        return {
            "msgtype": details.message_type,
            "body": caption or details.name,
            "filename": details.name,
            "info": info,
            "file": described,
            **details.voice,
        }

    async def _upload(
        self, room_id: str, file: FileToSend | IncomingFile | Path, used_at: datetime
    ) -> tuple[dict[str, Any], int]:
        """Seals and uploads one file; its ``EncryptedFile`` object and its size in bytes."""
        sealing = Sealing()
        async with self._spool.file() as ciphertext:
            async with aclosing(_pieces(file)) as pieces:
                async for piece in pieces:
                    if ciphertext.size + len(piece) > self._largest_file_bytes:
                        raise SendFailed("a file is larger than the settings allow", "M_TOO_LARGE", 413)
                    await ciphertext.write(sealing.update(piece))
            async with self._uploads:
                mxc = await self._deliver(room_id, ciphertext, used_at)
            return sealing.described(mxc), ciphertext.size

    async def _deliver(self, room_id: str, ciphertext: SpooledFile, used_at: datetime) -> str:
        """Uploads what is spooled, again and again until the homeserver took it or an outage lasts too long."""
        retries, until = Retries(Backoff(first_s=1.0, most_s=10.0)), time.monotonic() + self._outage_s
        while True:
            try:
                await self._check_limit(ciphertext.size)
                mxc = await self._put(room_id, ciphertext, used_at)
            except SendFailed as refusal:
                if not (refusal.outage or refusal.status == 401) or time.monotonic() > until:
                    raise
                await retries.wait()
            else:
                if mxc is not None:
                    return mxc

    async def _check_limit(self, size: int) -> None:
        """Asks before sending: a homeserver that finds a body too large hangs up, which looks like an outage.

        It also renews an access token that ended, which a stream cannot.
        """
        largest = (await self._calls.get(_LIMITS)).get("m.upload.size")
        if isinstance(largest, int) and size > largest:
            raise SendFailed("a file is larger than the homeserver takes", "M_TOO_LARGE", 413)

    async def _put(self, room_id: str, ciphertext: SpooledFile, used_at: datetime) -> str | None:
        """The address that now has the file; None if the one tried takes no file any more, and another one will."""
        mxc = await self._addresses.take(room_id, used_at)
        ended = False
        try:
            path = self._calls.path(_UPLOAD, *mxc.removeprefix("mxc://").split("/"))
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(ciphertext.size)}
            async with self._calls.stream("PUT", path, data=ciphertext.pieces(), headers=headers) as answer:
                refusal = None if answer.status == 200 else await _refusal(answer)
            # Expired, or filled by an upload of ours whose answer was lost.
            ended = refusal is None or refusal.status in {404, 409}
            if ended:
                await self._addresses.ended(mxc)
            elif refusal is not None:
                raise refusal
            return mxc if refusal is None else None
        finally:
            if not ended:
                self._addresses.give_back(mxc)


async def _as_what_it_is(file: IncomingFile) -> IncomingFile:
    """The file, shown as what its content is, whatever its event says."""
    async with aclosing(file.chunks()) as pieces:
        beginning = await anext(pieces, b"")
    kind = kind_of(beginning[:LOOKED_AT_BYTES], file.details.named_kind)
    return replace(file, details=file.details.as_kind(kind))


def _details(file: FileToSend | IncomingFile | Path) -> FileDetails:
    if isinstance(file, IncomingFile):
        return file.details
    if isinstance(file, FileToSend):
        return FileDetails(file.name, file.media_type, file.message_type)
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return _details(FileToSend(b"", file.name, media_type))


async def _pieces(file: FileToSend | IncomingFile | Path) -> AsyncGenerator[bytes]:
    if isinstance(file, IncomingFile):
        async for piece in file.chunks():
            yield piece
    elif isinstance(file, FileToSend):
        for start in range(0, len(file.data), PIECE_BYTES):
            yield file.data[start : start + PIECE_BYTES]
    else:
        try:
            with file.open("rb") as opened:
                while piece := await asyncio.to_thread(opened.read, PIECE_BYTES):
                    yield piece
        except OSError as fault:
            # Its text would name the file.
            reason = f"a file on disk cannot be read ({type(fault).__name__})"
            raise SendFailed(reason, "DE.HEK.NO_SUCH_FILE", status=400) from None


async def _refusal(answer: aiohttp.ClientResponse) -> SendFailed:
    """What a homeserver that did not answer 200 said."""
    try:
        content = json.loads(await answer.content.read(PIECE_BYTES))
    except (ValueError, RecursionError):
        content = None
    errcode = content.get("errcode") if isinstance(content, dict) else None
    return SendFailed("the homeserver refused a file", errcode if isinstance(errcode, str) else None, answer.status)


async def _not_given(answer: aiohttp.ClientResponse) -> SendFailed:
    """Why a file was not given."""
    refusal = await _refusal(answer)
    if refusal.errcode == "M_TOO_LARGE":
        return FileUnreadable("too_large")
    if refusal.status in {502, 504} and refusal.errcode is not None:
        # Not a proxy but the homeserver itself says so: its own faults are 500 and 503.
        return FileAway("a file is not to be had at the moment", refusal.errcode, refusal.status)
    if refusal.outage or refusal.status == 401:
        return refusal
    return FileUnreadable("missing")
