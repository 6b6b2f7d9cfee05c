"""Writes small secret files so that a stop of the machine leaves them whole."""

from __future__ import annotations

import os
from pathlib import Path


def write_private_file(file: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all, for its owner alone, whenever the machine stops.

    Raises:
        OSError: if the disk does not take it.
    """
    draft = file.with_name(f"{file.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
