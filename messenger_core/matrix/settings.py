"""Settings of a service's Matrix account."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from messenger_core.service_auth.keys import PrivateKeyFile
from messenger_core.settings import BaseUrl, SecretFile, Settings, UserId


class SessionSettings(Settings):
    """How a service signs in and where it keeps its encryption keys.

    Attributes:
        homeserver: the homeserver's base address.
        user_id: the service's account.
        client_id: the name under which the homeserver knows the key.
        key_file: the private JWK to sign in with.
        store_directory: where the encryption keys are kept; never restored from a backup, since old ratchets must not
            be used again.
        store_key_file: the secret that encrypts them.
        largest_file_bytes: files that are larger are neither fetched nor sent.
    """

    homeserver: BaseUrl
    user_id: UserId
    client_id: str
    key_file: PrivateKeyFile
    store_directory: Path
    store_key_file: SecretFile
    largest_file_bytes: int = Field(default=100 * 1024 * 1024, ge=1, le=4 * 1024**3)
