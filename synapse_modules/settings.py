"""Settings of the homeserver's module: one YAML file, read with its keys before Synapse starts."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from cryptography import x509
from joserfc.jwk import ECKey, KeySet
from pydantic import Field, IPvAnyNetwork, StringConstraints, ValidationInfo, field_validator, model_validator

from messenger_core.account_kinds import AccountKind
from messenger_core.homeserver_interface import HOMESERVER_TOKEN_PATH, LOGIN_PATH
from messenger_core.identifiers import check_ik
from messenger_core.people_names import ReservedNames, reserved_names
from messenger_core.service_auth.keys import JwksFile, PrivateKeyFile, read_jwks, read_private_key
from messenger_core.service_auth.token_grant import Client
from messenger_core.settings import BaseUrl, ExistingFile, Settings, SettingsError, check_settings, load_settings
from synapse_modules.federation_settings import FederationSettings, SupportSettings, read_roots
from synapse_modules.rules.admission import IK_FORM
from synapse_modules.rules.kvnr_vault import KEY_BYTES, KvnrVault
from synapse_modules.rules.oauth.client_addresses import is_host
from synapse_modules.rules.oauth.client_metadata import AdmittedClients
from synapse_modules.rules.permission import ACCOUNT_DATA_TYPES, Permission, read_permission
from synapse_modules.rules.reach import House
from synapse_modules.rules.ways_in import SignInProviders

Scope = Literal[
    "membership:write",
    "insured:read",
    "account:events",
    "retention:act",
    "erasure:act",
    "practice:provision",
    "kvnr-key:rotate",
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=150)]
Localpart = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._=/-]{1,100}$")]


class ClientSettings(Settings):
    """A machine that may call the API."""

    client_id: str = Field(min_length=1, max_length=255)
    jwks_file: JwksFile
    scopes: tuple[Scope, ...] = ()


class AccountSettings(Settings):
    """An account that the module makes at start; it signs in with the key of a client."""

    client_id: str
    localpart: Localpart
    kind: Literal["service", "admin"]
    display_name: str = Field(min_length=1, max_length=250)


class DirectorySettings(Settings):
    """Where the directory is, and how the homeserver calls it."""

    url: BaseUrl
    client_id: str = "homeserver"
    key_file: PrivateKeyFile
    jwks_file: JwksFile
    max_age_minutes: int = Field(default=60, ge=1, le=24 * 60)


class PermissionSettings(Settings):
    """Who may invite people and practices that chose nothing themselves: gematik's form, ``permissionConfig_V1``."""

    insured: dict[str, Any] = {"defaultSetting": "allow all"}  # noqa: RUF012 - pydantic copies defaults
    practice: dict[str, Any] = {"defaultSetting": "allow all"}  # noqa: RUF012

    @field_validator("insured", "practice")
    @classmethod
    def _is_a_permission(cls, value: dict[str, Any], known: ValidationInfo) -> dict[str, Any]:
        if read_permission(value, AccountKind(known.field_name or "")) is None:
            raise ValueError("must have the form of gematik's permissionConfig_V1, e.g. {defaultSetting: allow all}")
        return value

    @property
    def defaults(self) -> dict[AccountKind, Permission]:
        """The configurations as the rules read them."""
        found = {kind: read_permission(getattr(self, kind.value), kind) for kind in ACCOUNT_DATA_TYPES}
        return {kind: permission for kind, permission in found.items() if permission is not None}


class SignInSettings(Settings):
    """Whose clients may sign in by Matrix's OAuth API: the hosts of their ``client_uri``, or everybody's."""

    clients: tuple[str, ...] | Literal["any"] = ("element.io", "fluffychat.im", "cinny.in", "schildi.chat")

    @field_validator("clients")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...] | str) -> tuple[str, ...] | str:
        for host in () if isinstance(value, str) else value:
            if not is_host(host):
                raise ValueError(f"{host!r} must be a host of one's own in small letters, such as element.io")
        return value

    @property
    def admitted(self) -> AdmittedClients:
        """As the rules read it."""
        return AdmittedClients(None if isinstance(self.clients, str) else self.clients)


class InsuredOnlySettings(Settings):
    """When chats in which insured people alone are left are emptied, and how often that is looked for."""

    grace_days: int = Field(default=7, ge=1, le=365)
    look_every_s: int = Field(default=3600, ge=1, le=24 * 3600)

    @property
    def grace(self) -> timedelta:
        """How long people have to export such a chat after they were told."""
        return timedelta(days=self.grace_days)


class ModuleSettings(Settings):
    """The whole file."""

    public_url: BaseUrl
    signing_key_file: PrivateKeyFile
    admit_test_numbers: bool = False
    insurer_ik: str
    mxid: Literal["random", "kvnr"] = "random"
    kvnr_lookup_key_file: ExistingFile
    kvnr_encryption_key_file: ExistingFile
    gesundheitsid_idp_id: str = "gesundheitsid"
    staff_idp_id: str = "staff"
    clients: tuple[ClientSettings, ...]
    accounts: tuple[AccountSettings, ...]
    support_localpart: Localpart
    service_localpart: Localpart
    directory: DirectorySettings
    permissions: PermissionSettings = PermissionSettings()
    reserved_names: tuple[Name, ...] = ("HEK", "Hanseatische Krankenkasse")
    allowed_names: tuple[Name, ...] = ()
    trusted_proxies: tuple[IPvAnyNetwork, ...] = (ip_network("127.0.0.1"), ip_network("::1"))
    max_connections: int = Field(default=4000, ge=64, le=100_000)
    max_connections_per_address: int = Field(default=200, ge=16, le=100_000)
    sign_in: SignInSettings = SignInSettings()
    federation: FederationSettings | None = None
    support: SupportSettings | None = None
    grace_days: int = Field(default=30, ge=1, le=365)
    room_versions: tuple[Literal["9", "10", "11", "12"], ...] = Field(default=("10",), min_length=1)
    second_insured_by_practice: bool = False
    insured_only_rooms: InsuredOnlySettings = InsuredOnlySettings()
    redaction_max_age_hours: int | None = Field(default=None, ge=1)
    erasure_minimum_age_years: int | None = Field(default=5, ge=1, le=30)
    search_timeout_ms: int = Field(default=200, ge=50, le=10_000)

    @field_validator("insurer_ik")
    @classmethod
    def _is_an_ik(cls, value: str, known: ValidationInfo) -> str:
        if not known.data.get("admit_test_numbers"):
            return check_ik(value)
        if not IK_FORM.fullmatch(value):
            raise ValueError("not an IK: nine digits are expected")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> ModuleSettings:
        client_ids = [client.client_id for client in self.clients]
        if len(set(client_ids)) != len(client_ids):
            raise ValueError("clients: every client_id may stand there once only")
        localparts = [account.localpart for account in self.accounts]
        if len(set(localparts)) != len(localparts):
            raise ValueError("accounts: every localpart may stand there once only")
        for account in self.accounts:
            if account.client_id not in client_ids:
                raise ValueError(f"accounts: {account.client_id!r} must be the client_id of one of the clients")
        services = {account.localpart for account in self.accounts if account.kind == "service"}
        for key, localpart in (
            ("support_localpart", self.support_localpart),
            ("service_localpart", self.service_localpart),
        ):
            if localpart not in services:
                raise ValueError(f"{key}: {localpart!r} must be the localpart of an account of kind service")
        if self.support_localpart == self.service_localpart:
            raise ValueError("service_localpart: must be another account than support_localpart")
        return self

    @property
    def deletable_for(self) -> timedelta | None:
        """How long people can delete their own messages; None for ever."""
        return None if self.redaction_max_age_hours is None else timedelta(hours=self.redaction_max_age_hours)

    @property
    def names_of_the_house(self) -> ReservedNames:
        """What practices and people elsewhere must not be called: the house's names and its service accounts'."""
        own = [account.display_name for account in self.accounts if account.kind == "service"]
        return reserved_names([*self.reserved_names, *own], self.allowed_names)

    @property
    def token_endpoint(self) -> str:
        """The full address of the homeserver's token endpoint."""
        return self.public_url + HOMESERVER_TOKEN_PATH

    @property
    def login_endpoint(self) -> str:
        """The full address of Matrix's login, the audience of sign-ins by key."""
        return self.public_url + LOGIN_PATH

    @property
    def sign_in_providers(self) -> SignInProviders:
        """The two OpenID providers as Synapse names them."""
        return SignInProviders(f"oidc-{self.gesundheitsid_idp_id}", f"oidc-{self.staff_idp_id}")

    def house(self, server_name: str) -> House:
        """The user ids of the accounts that insured people meet."""
        return House(f"@{self.support_localpart}:{server_name}", f"@{self.service_localpart}:{server_name}")


class FileReference(Settings):
    """What stands in ``homeserver.yaml``: where the file is."""

    file: Path


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings with their keys."""

    settings: ModuleSettings
    signing_key: ECKey
    vault: KvnrVault
    clients: dict[str, Client]
    directory_key: ECKey
    directory_jwks: KeySet
    federation_roots: tuple[x509.Certificate, ...] = ()


def _secret_keys(path: Path) -> list[bytes]:
    """The keys of a file: one as it is, or one a line as base64."""
    content = path.read_bytes()
    if len(content) == KEY_BYTES:
        return [content]
    try:
        keys = [base64.b64decode(line, validate=True) for line in content.split()]
    except binascii.Error:
        keys = []
    if not keys or any(len(key) != KEY_BYTES for key in keys) or len(set(keys)) != len(keys):
        raise SettingsError(
            f"{path}: must hold a key of {KEY_BYTES} bytes, as it is or as base64; several keys, each another one, "
            "stand as base64 on a line each"
        )
    return keys


def load_configuration(reference: object) -> Configuration:
    """Reads the file that Synapse's configuration names, and the keys that it names.

    Args:
        reference: the ``config`` of the module or of a mapping provider: ``{"file": PATH}``.

    Raises:
        SettingsError: one line a fault.
    """
    path = check_settings(FileReference, reference, source="config of synapse_modules").file
    settings = load_settings(ModuleSettings, path)
    lookup_keys = _secret_keys(settings.kvnr_lookup_key_file)
    encryption_keys = _secret_keys(settings.kvnr_encryption_key_file)
    if len(lookup_keys) != 1:
        raise SettingsError(f"{path.name}: kvnr_lookup_key_file: must hold one key, it is never changed")
    if lookup_keys[0] in encryption_keys:
        raise SettingsError(f"{path.name}: kvnr_encryption_key_file: must hold another key than kvnr_lookup_key_file")
    return Configuration(
        settings=settings,
        signing_key=read_private_key(settings.signing_key_file),
        vault=KvnrVault(lookup_keys[0], encryption_keys),
        clients={
            client.client_id: Client(client.client_id, read_jwks(client.jwks_file), frozenset(client.scopes))
            for client in settings.clients
        },
        directory_key=read_private_key(settings.directory.key_file),
        directory_jwks=read_jwks(settings.directory.jwks_file),
        federation_roots=read_roots(settings.federation.list_roots_file) if settings.federation else (),
    )
