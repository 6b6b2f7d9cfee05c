"""Signing keys and key sets as files: a private JWK (0600) and public JWK sets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from pydantic import AfterValidator

from messenger_core.settings import ExistingFile, SettingsError

ALGORITHM = "ES256"
_CURVE = "P-256"


def generate_private_key() -> ECKey:
    """A new P-256 key whose ``kid`` is its RFC 7638 thumbprint."""
    return ECKey.generate_key(_CURVE, auto_kid=True)


def write_private_key(key: ECKey, path: Path) -> None:
    """Writes a private JWK, readable by its owner alone; an existing file is never overwritten."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(key.as_dict(private=True), file)


def public_jwks(*keys: ECKey) -> dict[str, Any]:
    """The public parts of keys as a JWK set (RFC 7517, 5)."""
    return {"keys": [dict(key.as_dict(private=False)) for key in keys]}


def read_private_key(path: Path) -> ECKey:
    """Reads a private P-256 JWK.

    Raises:
        SettingsError: if the file is not one; the key's content is never repeated.
    """
    try:
        key = ECKey.import_key(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, JoseError, OSError):
        raise SettingsError(f"{path}: is not a private JWK; expected is an EC key on P-256") from None
    if not key.is_private or key.curve_name != _CURVE:
        raise SettingsError(f"{path}: is not a private EC key on P-256")
    key.ensure_kid()
    return key


def parse_jwks(value: object) -> KeySet:
    """A public JWK set of P-256 keys.

    Raises:
        ValueError: if the value is not such a set, is empty, or holds a private key.
    """
    if not isinstance(value, dict) or not isinstance(value.get("keys"), list) or not value["keys"]:
        raise ValueError('a JWK set with at least one key is needed: {"keys": […]}')
    keys: list[ECKey] = []
    for member in value["keys"]:
        try:
            key = ECKey.import_key(cast("dict[str, str | list[str]]", member))
        except (ValueError, TypeError, KeyError, AttributeError, JoseError):
            raise ValueError("a key of the JWK set is not an EC key") from None
        if key.curve_name != _CURVE:
            raise ValueError("a key of the JWK set is not on the curve P-256")
        if key.is_private:
            raise ValueError("the JWK set holds a private key; publish only the public part")
        key.ensure_kid()
        keys.append(key)
    return KeySet(list(keys))


def read_jwks(path: Path) -> KeySet:
    """Reads a public JWK set from a file.

    Raises:
        SettingsError: if the file does not hold one.
    """
    try:
        return parse_jwks(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError) as fault:
        raise SettingsError(f"{path}: is not a public JWK set: {fault}") from None


def _checked(read: Callable[[Path], object]) -> AfterValidator:
    """Reads the file once when the settings are checked, so that a fault names the setting."""

    def check(path: Path) -> Path:
        try:
            read(path)
        except SettingsError as fault:
            raise ValueError(str(fault).removeprefix(f"{path}: ")) from None
        return path

    return AfterValidator(check)


PrivateKeyFile = Annotated[ExistingFile, _checked(read_private_key)]
"""A setting that names a private JWK."""
JwksFile = Annotated[ExistingFile, _checked(read_jwks)]
"""A setting that names a public JWK set."""
