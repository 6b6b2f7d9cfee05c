"""A file that was received: verified, on disk as ciphertext, and decrypted only while it is read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from messenger_core.matrix.media.attachment_cipher import FileKey
from messenger_core.matrix.media.file_content import FileDetails
from messenger_core.matrix.media.spool import SpooledFile


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file whose hash was verified; usable as long as the ``fetch`` block runs.

    Attributes:
        details: what its event says about it.
        thumbnail: its small picture, None if it has none that can be read.
    """

    details: FileDetails
    thumbnail: IncomingFile | None
    _ciphertext: SpooledFile
    _key: FileKey

    @property
    def name(self) -> str:
        """Its name as people see it; no path."""
        return self.details.name

    @property
    def media_type(self) -> str:
        """Its MIME type."""
        return self.details.media_type

    @property
    def message_type(self) -> str:
        """The ``msgtype`` by which clients show it."""
        return self.details.message_type

    @property
    def caption(self) -> str | None:
        """What was written to it."""
        return self.details.caption

    @property
    def size(self) -> int:
        """Its true size in bytes."""
        return self._ciphertext.size

    @property
    def info(self) -> Mapping[str, Any]:
        """Its ``info`` object, without the thumbnail."""
        return self.details.info_of(self.size)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Its bytes in clear, piece by piece; from the beginning each time."""
        keystream = self._key.keystream()
        async for piece in self._ciphertext.pieces():
            yield keystream.update(piece)

    async def read(self) -> bytes:
        """All its bytes in clear, for small files."""
        return b"".join([piece async for piece in self.chunks()])
