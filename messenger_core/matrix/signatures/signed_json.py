"""Checks signatures over JSON objects as the Matrix specification's appendix on signing defines them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import vodozemac
from canonicaljson import encode_canonical_json


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """An object as it is signed: without ``signatures`` and ``unsigned``, keys sorted, no white space.

    Raises:
        ValueError: if it cannot be written so (a lone surrogate, a number that is none).
        RecursionError: if it is nested too deeply.
    """
    bare = {key: part for key, part in value.items() if key not in {"signatures", "unsigned"}}
    return encode_canonical_json(bare)


def is_signed_by(value: Mapping[str, Any], owner: str, key_id: str, ed25519: str) -> bool:
    """Whether an object has a good signature.

    Args:
        value: the object with its ``signatures``.
        owner: the user id that signed.
        key_id: the name of the signature, e.g. ``ed25519:DEVICE``.
        ed25519: the public key, unpadded base64.
    """
    signatures = value.get("signatures")
    of_owner = signatures.get(owner) if isinstance(signatures, dict) else None
    signature = of_owner.get(key_id) if isinstance(of_owner, dict) else None
    if not isinstance(signature, str):
        return False
    try:
        key = vodozemac.Ed25519PublicKey.from_base64(ed25519)
        key.verify_signature(canonical_json(value), vodozemac.Ed25519Signature.from_base64(signature))
    except (ValueError, TypeError, RecursionError):
        # vodozemac's own exceptions are ValueErrors.
        return False
    return True
