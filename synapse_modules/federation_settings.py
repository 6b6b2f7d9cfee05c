"""Settings of federation with other homeservers: whose list says who takes part."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cryptography import x509
from pydantic import Field

from messenger_core.settings import BaseUrl, ExistingFile, Settings, SettingsError

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000


class FederationSettings(Settings):
    """The section ``federation``; without it nothing of another homeserver is admitted."""

    list_url: BaseUrl
    list_algorithm: Literal["BP256R1", "ES256"] = "BP256R1"
    list_roots_file: ExistingFile
    max_age_hours: int = Field(default=72, ge=1, le=24 * 14)
    refresh_minutes: int = Field(default=60, ge=1, le=24 * 60)
    seconds_between_misses: int = Field(default=60, ge=1, le=3600)

    @property
    def max_age_ms(self) -> int:
        """For how long a list counts that nobody confirmed."""
        return self.max_age_hours * _HOUR_MS

    @property
    def refresh_ms(self) -> int:
        """How often a newer list is asked for."""
        return self.refresh_minutes * _MINUTE_MS


class SupportSettings(Settings):
    """Whom other operators turn to: what ``/.well-known/matrix/support`` says (Matrix 1.11; A_26265)."""

    email_address: str = Field(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")
    page: BaseUrl | None = None


def read_roots(path: Path) -> tuple[x509.Certificate, ...]:
    """Reads the certificates (PEM, one after the other) that signers of the list must be certified by.

    Raises:
        SettingsError: if the file is not such a list.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except ValueError:
        raise SettingsError(f"{path}: does not hold certificates in PEM form") from None
