"""Everything an operator decides about the broker."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from messenger_core.rate_limits import Rate, RateSettings
from messenger_core.service_auth.keys import JwksFile
from messenger_core.settings import BaseUrl, DatabaseUrl, ExistingFile, ListenAddress, SecretFile, Settings

Deviation = Literal["par-answers-200", "statement-content-type", "signed-jwks-type"]
Level = Literal["gematik-ehealth-loa-high", "gematik-ehealth-loa-substantial"]


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("an https:// address without user, query and fragment is needed")
    return url


EntityId = Annotated[str, AfterValidator(_https)]
"""The name of an entity of the federation: an https address, compared letter by letter."""


class FederationSettings(Settings):
    """The federation that we belong to."""

    master: EntityId
    master_keys_file: JwksFile
    ca_file: ExistingFile | None = None
    insurer: EntityId | None = None
    timeout_s: float = Field(default=10.0, gt=0, le=60)
    private_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    clock_leeway_s: int = Field(default=30, ge=0, le=120)
    tolerated_deviations: frozenset[Deviation] = frozenset()

    @property
    def clock_leeway(self) -> timedelta:
        """How far the clocks of others may differ from ours."""
        return timedelta(seconds=self.clock_leeway_s)


class EntitySettings(Settings):
    """How we introduce ourselves."""

    client_name: str = Field(min_length=1, max_length=100)
    organization_name: str = Field(min_length=1, max_length=100)
    contacts: list[str] = Field(min_length=1)


class ClientSettings(Settings):
    """Who may ask for sign-ins."""

    client_id: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    secret_file: SecretFile
    redirect_uris: list[BaseUrl] = Field(min_length=1)
    backchannel_logout_uri: BaseUrl | None = None


class LimitSettings(Settings):
    """How often what may be asked; beyond it, people get a page and programs 429, each with ``Retry-After``.

    Attributes:
        sign_ins: sign-ins that begin, each of which is stored and asks an identity provider.
        by_browser: those of one browser.
        answers: answers of identity providers, each of which redeems a code there.
        failed_clients: wrong secrets and wrong access tokens; what is right is never held up.
    """

    sign_ins: RateSettings = RateSettings(
        by_address=Rate(burst=120, per_minute=120), in_all=Rate(burst=600, per_minute=1_200)
    )
    by_browser: Rate = Rate(burst=20, per_minute=20)
    answers: RateSettings = RateSettings(
        by_address=Rate(burst=120, per_minute=120), in_all=Rate(burst=600, per_minute=1_200)
    )
    failed_clients: RateSettings = RateSettings(
        by_address=Rate(burst=20, per_minute=20), in_all=Rate(burst=600, per_minute=1_200)
    )


class GesundheitsIDSettings(Settings):
    """The whole file."""

    listen: ListenAddress
    internal_listen: ListenAddress | None = None
    limits: LimitSettings = LimitSettings()
    public_url: BaseUrl
    database: DatabaseUrl
    keys_file: Path
    pairwise_secret_file: SecretFile
    federation: FederationSettings
    entity: EntitySettings
    level: Level = "gematik-ehealth-loa-high"
    clients: list[ClientSettings] = Field(min_length=1)
    session_days: int = Field(default=400, ge=1, le=3650)

    @model_validator(mode="after")
    def _distinct(self) -> GesundheitsIDSettings:
        if len({client.client_id for client in self.clients}) < len(self.clients):
            raise ValueError("clients: each client_id may stand there once")
        return self
