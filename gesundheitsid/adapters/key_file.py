"""The file with all our private keys: read again when it changes, replaced as a whole, readable by us alone."""

from __future__ import annotations

import fcntl
import json
import os
import ssl
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization

from gesundheitsid.rules.key_ring import (
    KeyFileError,
    Purpose,
    Ring,
    as_json,
    certificate_of,
    from_json,
    make_key,
    make_rings,
)
from messenger_core.settings import SettingsError


class KeyFile:
    """The key file; several processes may share it."""

    def __init__(self, path: Path, public_url: str) -> None:
        self._path = path
        self._host = urlsplit(public_url).hostname or ""
        self._seen: tuple[int, int, int] | None = None
        self._rings: Mapping[Purpose, Ring] = {}

    def rings(self) -> Mapping[Purpose, Ring]:
        """All keys, as they are in the file now.

        Raises:
            SettingsError: if it cannot be read.
        """
        try:
            state = self._path.stat()
            seen = (state.st_mtime_ns, state.st_ino, state.st_size)
            if seen != self._seen:
                self._rings = from_json(json.loads(self._path.read_text(encoding="utf-8")))
                self._seen = seen
        except FileNotFoundError:
            command = "python -m gesundheitsid --config FILE make-keys"
            raise SettingsError(f"keys_file: {self._path} does not exist; make it with: {command}") from None
        except (OSError, ValueError) as fault:
            reason = str(fault) if isinstance(fault, KeyFileError) else type(fault).__name__
            raise SettingsError(f"keys_file: {self._path} cannot be read: {reason}") from None
        return self._rings

    def ring(self, purpose: Purpose) -> Ring:
        """The keys of one purpose."""
        return self.rings()[purpose]

    def make(self, now: datetime) -> bool:
        """Makes the file; False if it is there already."""
        if self._path.exists():
            self.rings()
            return False
        self._write(make_rings(self._host, now))
        return True

    def rotate(self, purpose: Purpose, now: datetime) -> None:
        """Uses the key that was announced, announces a fresh one, and keeps the one before for what is under way."""
        with self._path.with_name(f"{self._path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._seen = None
            rings = dict(self.rings())
            rings[purpose] = rings[purpose].rotated(make_key(purpose, self._host, now))
            self._write(rings)

    def _write(self, rings: Mapping[Purpose, Ring]) -> None:
        draft = self._path.with_name(f".{self._path.name}.new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(as_json(rings), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


def mutual_tls(ring: Ring, ca_file: Path | None) -> ssl.SSLContext:
    """How we call identity providers: they are verified, and see our self-signed certificate (RFC 8705, 2.2)."""
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    key = ring.current
    # Python's ssl reads keys from files alone; this one is its owner's and gone at once.
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(key.as_pem(private=True))
        file.write(certificate_of(key).public_bytes(serialization.Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return context
