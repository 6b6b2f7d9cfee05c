"""Makes every key and secret of a sandbox once and keeps it: callers' keys, signing keys, lookup keys, secrets."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from signedjson.key import generate_signing_key, write_signing_keys

from gesundheitsid.adapters.key_file import KeyFile
from messenger_core.service_auth.keys import generate_private_key, public_jwks, read_private_key, write_private_key
from sandbox.people import PRACTICES
from sandbox.ports import HOST
from sandbox.ti_federation.certificates import is_usable, make_certificates

OPERATOR = "operator"
OWNERSHIP_VERIFIER = "ownership-verifier"
BROKER_FEDERATION = "gesundheitsid-federation"
FEDERATION_MASTER = "federation-master"
SERVICES = ("core-system", "homeserver", "directory", "bot", "retention")
CALLERS = (*SERVICES, *(practice.name for practice in PRACTICES), OPERATOR)
_SIGNING_KEYS = (
    OWNERSHIP_VERIFIER,
    "homeserver-signing",
    "directory-signing",
    "bot-signing",
    "gesundheitsid-signing",
    "staff-signing",
    FEDERATION_MASTER,
    "sectoral-idp-signing",
    "sectoral-idp-token",
)
_SECRETS = (
    "gesundheitsid-client-secret",
    "staff-client-secret",
    "people-token",
    "pairwise-secret",
    "gesundheitsid-pairwise-secret",
    "macaroon-secret",
    "form-secret",
    "bot-store-key",
    "retention-store-key",
    "identities-key",
)
_AES_KEYS = ("kvnr-lookup-key", "kvnr-encryption-key")


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """Where the keys of a sandbox are."""

    folder: Path

    def private(self, name: str) -> Path:
        """The private JWK of a caller or signer."""
        return self.folder / f"{name}.jwk"

    def public(self, name: str) -> Path:
        """The public JWK set of a caller or signer."""
        return self.folder / f"{name}.jwks.json"

    def secret(self, name: str) -> Path:
        """A secret as text."""
        return self.folder / name

    @property
    def broker_keys(self) -> Path:
        """The broker's own keys."""
        return self.folder / "gesundheitsid.json"

    @property
    def ca_file(self) -> Path:
        """The certificate authority of the TI federation's servers."""
        return self.folder / "federation-ca.pem"

    @property
    def server_file(self) -> Path:
        """Key and certificate of the TI federation's servers."""
        return self.folder / "federation-server.pem"

    @property
    def matrix_signing_key(self) -> Path:
        """The homeserver's own signing key, in Synapse's form."""
        return self.folder / "homeserver.signing.key"


def _write_once(path: Path, text: str) -> None:
    """Writes a file for its owner alone unless it is there; never leaves half a file."""
    if path.exists():
        return
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def keep_key_pair(keys: KeyFolder, name: str) -> None:
    """Makes the key pair ``name`` unless it is there."""
    if not keys.private(name).exists():
        draft = keys.folder / f"{name}.jwk.new"
        draft.unlink(missing_ok=True)
        write_private_key(generate_private_key(), draft)
        draft.replace(keys.private(name))
    _write_once(keys.public(name), json.dumps(public_jwks(read_private_key(keys.private(name)))) + "\n")


def keep_matrix_signing_key(keys: KeyFolder) -> None:
    """Makes the homeserver's signing key (Ed25519) unless it is there."""
    if keys.matrix_signing_key.exists():
        return
    draft = keys.folder / "homeserver.signing.key.new"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        write_signing_keys(file, [generate_signing_key(f"a_{secrets.token_hex(2)}")])
    draft.replace(keys.matrix_signing_key)


def keep_federation_files(keys: KeyFolder) -> None:
    """Makes the broker's keys and the certificates of the TI federation unless they are there."""
    broker = KeyFile(keys.broker_keys, f"http://{HOST}")
    broker.make(datetime.now(UTC))
    ring = broker.ring("federation")
    # What the broker hands to the federation master; written anew, since the keys may have been rotated.
    public = json.dumps(public_jwks(ring.current, ring.following)) + "\n"
    keys.public(BROKER_FEDERATION).unlink(missing_ok=True)
    _write_once(keys.public(BROKER_FEDERATION), public)
    if not is_usable(keys.ca_file, keys.server_file):
        make_certificates(keys.ca_file, keys.server_file, HOST)


def keep_keys(folder: Path) -> KeyFolder:
    """Makes what is missing of all keys and secrets; nothing that exists is ever replaced."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    keys = KeyFolder(folder)
    for name in (*CALLERS, *_SIGNING_KEYS):
        keep_key_pair(keys, name)
    for name in _SECRETS:
        _write_once(keys.secret(name), secrets.token_urlsafe(32) + "\n")
    for name in _AES_KEYS:
        _write_once(keys.secret(name), base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
    keep_matrix_signing_key(keys)
    keep_federation_files(keys)
    return keys
