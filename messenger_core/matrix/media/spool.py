"""Where a file waits on disk while it passes through: ciphertext only, without a name, gone with its last use."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from messenger_core.matrix.faults import SendFailed

PIECE_BYTES = 128 * 1024
_Result = TypeVar("_Result")


class SpoolUnusable(SendFailed):
    """The disk does not take or give what is spooled (it may be full); trying again later may help."""

    def __init__(self, fault: OSError) -> None:
        super().__init__(f"a file cannot be spooled: {type(fault).__name__} {fault.errno}")


class SpooledFile:
    """A nameless file on disk; the kernel frees it when it is closed or the process dies."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = 0

    async def write(self, piece: bytes) -> None:
        """Appends a piece.

        Raises:
            SpoolUnusable: if the disk does not take it.
        """
        await _on_disk(partial(self._append, piece))
        self.size += len(piece)

    def _append(self, piece: bytes) -> None:
        self._file.write(piece)
        self._file.flush()

    async def pieces(self) -> AsyncIterator[bytes]:
        """What was written, from its beginning, as often as it is asked for.

        Raises:
            SpoolUnusable: if the disk does not give it.
        """
        for place in range(0, self.size, PIECE_BYTES):
            yield await _on_disk(partial(os.pread, self._file.fileno(), PIECE_BYTES, place))


class Spool:
    """A folder that is this account's alone."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder, and sweeps it: a kill may leave a file where the system cannot make nameless ones."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for left in folder.iterdir():
            left.unlink()
        self._folder = folder

    @asynccontextmanager
    async def file(self) -> AsyncIterator[SpooledFile]:
        """An empty file for as long as the block runs.

        Raises:
            SpoolUnusable: if it cannot be made.
        """
        try:
            file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed below; here only its making may fail
        except OSError as fault:
            raise SpoolUnusable(fault) from None
        with file:
            yield SpooledFile(file)


async def _on_disk(work: Callable[[], _Result]) -> _Result:
    """Does work in a thread, and waits for its end even if cancelled: no thread may use a file that is closed."""
    working = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(working)
    except OSError as fault:
        raise SpoolUnusable(fault) from None
    finally:
        while not working.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working])
        working.exception()
