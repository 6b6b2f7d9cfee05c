"""Ports of this machine: chosen once, held against our other processes, and kept for the next start."""

from __future__ import annotations

import fcntl
import json
import os
import random
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
# Below the range that the system takes for outgoing connections, so that none is taken between choosing and listening.
_FIRST, _LAST = 20_000, 32_000
# Not Python's own random numbers: hypothesis sets them to the same beginning in every process.
_RANDOM = random.SystemRandom()


class _Reservations:
    """The ports that this process holds: one byte a port is locked in a file that all processes of the user share.

    The system gives the locks back when the process ends, however it ends; a server that outlives the process still
    listens, which shows by itself.
    """

    def __init__(self) -> None:
        self._owners: dict[int, str | None] = {}
        self._file: IO[bytes] | None = None
        self._one_at_a_time = threading.Lock()

    def take(self, port: int, owner: str | None) -> bool:
        """Takes a port for somebody of this process; False if somebody else of this machine has it.

        Whoever has a name may take his own again, None never.
        """
        with self._one_at_a_time:
            if port in self._owners:
                return owner is not None and self._owners[port] == owner and is_free(port)
            with suppress(OSError):
                fcntl.lockf(self._shared_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
                if is_free(port):
                    self._owners[port] = owner
                    return True
                fcntl.lockf(self._shared_file(), fcntl.LOCK_UN, 1, port)
            return False

    def _shared_file(self) -> IO[bytes]:
        # It stays open: closing it once would give all its locks back. Not in TMPDIR, which differs between runs.
        if self._file is None:
            path = f"/tmp/hek-messenger-ports-{os.geteuid()}"  # noqa: S108 - nothing is read from it, no link followed
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
        return self._file


_RESERVATIONS = _Reservations()


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now, at every address of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def reserve_port(owner: str | None = None) -> int:
    """A free port for whatever this process starts; no other process of ours is given it until this one ends.

    Args:
        owner: for whom, if the same one may take it again later.
    """
    while True:
        port = _RANDOM.randrange(_FIRST, _LAST)
        if _RESERVATIONS.take(port, owner):
            return port


def _read(path: Path) -> dict[str, int]:
    """The ports of the last start; a damaged file counts as none, since new ports do no harm."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in content.items() if isinstance(port, int)} if isinstance(content, dict) else {}


def keep_ports(names: Sequence[str], path: Path) -> dict[str, int]:
    """A reserved port a name: those of ``path`` where nobody has them, new ones for the rest; written back."""
    kept = _read(path)
    ports: dict[str, int] = {}
    for name in names:
        port, owner = kept.get(name), f"{name} of {path}"
        ports[name] = port if port is not None and _RESERVATIONS.take(port, owner) else reserve_port(owner)
    path.write_text(json.dumps(ports, indent=2) + "\n", encoding="utf-8")
    return ports
