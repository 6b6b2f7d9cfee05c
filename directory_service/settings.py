"""The directory's settings, as in ``config/directory_service.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from directory_service.adapters.export_files import ExportLimits
from messenger_core.homeserver_interface import HOMESERVER_TOKEN_PATH
from messenger_core.rate_limits import Rate, RateSettings
from messenger_core.settings import BaseUrl, DatabaseUrl, ExistingFile, ListenAddress, Settings


class HomeserverSettings(Settings):
    """The homeserver that makes the practices' accounts."""

    url: BaseUrl
    client_id: str = Field(default="directory", min_length=1, max_length=64)
    key_file: ExistingFile

    @property
    def token_endpoint(self) -> str:
        """The full address of its token endpoint."""
        return self.url + HOMESERVER_TOKEN_PATH


class ClientSettings(Settings):
    """A homeserver that asks the directory."""

    client_id: str = Field(min_length=1, max_length=64)
    jwks_file: ExistingFile
    scopes: list[Literal["reachability:read", "directory:search", "practice:sign-in"]] = Field(min_length=1)


class VerifierSettings(Settings):
    """Who confirms that a key belongs to a practice."""

    issuer: str = Field(min_length=1, max_length=255)
    jwks_file: ExistingFile


class PagesSettings(Settings):
    """The pages for people in a browser."""

    sign_in_provider: str = Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9._~-]+$")
    idle_minutes: int = Field(default=60, ge=5, le=480)


def _distinct_clients(clients: list[ClientSettings]) -> list[ClientSettings]:
    if len({client.client_id for client in clients}) < len(clients):
        raise ValueError("each client_id may stand there once")
    return clients


def _distinct_issuers(verifiers: list[VerifierSettings]) -> list[VerifierSettings]:
    if len({verifier.issuer for verifier in verifiers}) < len(verifiers):
        raise ValueError("each issuer may stand there once")
    return verifiers


def _rates(by_address: tuple[int, float], in_all: tuple[int, float]) -> RateSettings:
    (burst, per_minute), (burst_in_all, per_minute_in_all) = by_address, in_all
    return RateSettings(
        by_address=Rate(burst=burst, per_minute=per_minute),
        in_all=Rate(burst=burst_in_all, per_minute=per_minute_in_all),
    )


class RateLimitSettings(Settings):
    """How often anybody may knock where nobody is signed in yet."""

    registration: RateSettings = _rates((20, 20), (200, 600))
    search_token: RateSettings = _rates((60, 60), (1_000, 6_000))
    page_sign_in: RateSettings = _rates((30, 30), (1_000, 6_000))
    access_token_by_address: Rate = Rate(burst=300, per_minute=600)
    sign_in_codes_by_account: Rate = Rate(burst=10, per_minute=10)


class ImportLimitSettings(Settings):
    """What a file of the national directory may hold at most, unpacked."""

    line_kib: int = Field(default=4096, ge=64, le=1_048_576)
    entry_kib: int = Field(default=1024, ge=64, le=1_048_576)
    depth: int = Field(default=50, ge=20, le=200)
    file_mib: int = Field(default=16_384, ge=1, le=1_048_576)

    @property
    def in_bytes(self) -> ExportLimits:
        """The same in bytes."""
        return ExportLimits(self.line_kib * 1024, self.entry_kib * 1024, self.depth, self.file_mib * 1024 * 1024)


_Name = Annotated[str, Field(min_length=1, max_length=120)]
HOUSE_NAMES = ("HEK", "Hanseatische Krankenkasse")


class DirectorySettings(Settings):
    """Everything an operator decides about the directory."""

    listen: ListenAddress
    public_url: BaseUrl
    database: DatabaseUrl
    signing_key_file: ExistingFile
    homeserver: HomeserverSettings
    homeserver_clients: Annotated[list[ClientSettings], AfterValidator(_distinct_clients)] = Field(min_length=1)
    ownership_verifiers: Annotated[list[VerifierSettings], AfterValidator(_distinct_issuers)] = Field(min_length=1)
    server_names: dict[str, BaseUrl] = Field(min_length=1)
    pages: PagesSettings
    opt_out_model: bool = False
    reserved_names: list[_Name] = Field(default=list(HOUSE_NAMES))
    allowed_names: list[_Name] = Field(default=[])
    rate_limits: RateLimitSettings = RateLimitSettings()
    import_limits: ImportLimitSettings = ImportLimitSettings()
    internal_listen: ListenAddress | None = None
    internal_url: BaseUrl | None = None

    @property
    def url_for_homeservers(self) -> str:
        """Where homeservers ask: at a listener of their own, if there is one."""
        if self.internal_listen is None:
            return self.public_url
        return self.internal_url or f"http://{self.internal_listen.host}:{self.internal_listen.port}"
