"""Keeps an account's public fingerprints beside its keys, so that an operator can read them to somebody."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from messenger_core.matrix.encryption.private_files import write_private_file

_FILE = "fingerprints"


def write_fingerprints(store: Path, fingerprints: Mapping[str, str]) -> None:
    """Writes them; they are public, and no secret can be told from them."""
    lines = "".join(f"{name}: {value}\n" for name, value in fingerprints.items())
    write_private_file(store / _FILE, lines.encode())


def read_fingerprints(store: Path) -> list[str]:
    """The lines that were written at the last start; none before the first."""
    file = store / _FILE
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
