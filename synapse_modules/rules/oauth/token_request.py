"""Token and revocation requests (RFC 6749, 4.1.3, 5 and 6; RFC 7636, 4.5; RFC 7009)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from synapse_modules.rules.oauth.errors import ErrorCode, OAuthError

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_FAMILY = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """Tokens for a code."""

    client_id: str
    redirect_uri: str
    code: str
    verifier: str


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token: the session's own secret, which never changes, before the homeserver's token, which does.

    Matrix's ``/refresh`` cannot read it, and whoever plays an old one again shows which session it was of.
    """

    family: str
    token: str

    def __str__(self) -> str:
        """As clients hold it."""
        return f"{self.family}.{self.token}"

    @property
    def family_hash(self) -> str:
        """What is stored of it."""
        return hash_of(self.family)


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """New tokens for a refresh token."""

    client_id: str
    refresh_token: RefreshToken


def hash_of(secret: str) -> str:
    """What is stored of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def read_refresh_token(text: str) -> RefreshToken | None:
    """A refresh token of this API; None if it is another text."""
    family, dot, token = text.partition(".")
    if not dot or not _FAMILY.fullmatch(family) or not token.isascii():
        return None
    return RefreshToken(family, token)


def read_token_request(form: Mapping[str, str]) -> CodeRequest | RefreshRequest:
    """Checks a token request.

    Raises:
        OAuthError: ``invalid_request``, ``unsupported_grant_type`` or ``invalid_grant``.
    """
    grant_type = _needed(form, "grant_type")
    if grant_type == "authorization_code":
        client_id, redirect_uri = _needed(form, "client_id"), _needed(form, "redirect_uri")
        code, verifier = _needed(form, "code"), _needed(form, "code_verifier")
        if not _VERIFIER.fullmatch(verifier):
            raise OAuthError(ErrorCode.INVALID_REQUEST, "code_verifier: 43 to 128 unreserved characters")
        return CodeRequest(client_id, redirect_uri, code, verifier)
    if grant_type == "refresh_token":
        client_id, token = _needed(form, "client_id"), read_refresh_token(_needed(form, "refresh_token"))
        if token is None:
            raise OAuthError(ErrorCode.INVALID_GRANT, "refresh_token: not one of this endpoint")
        return RefreshRequest(client_id, token)
    raise OAuthError(ErrorCode.UNSUPPORTED_GRANT_TYPE, "grant_type: authorization_code or refresh_token")


def read_revocation(form: Mapping[str, str]) -> str:
    """The token of a revocation; its hint and client are not asked, since whoever finds a token may revoke it.

    Raises:
        OAuthError: ``invalid_request``.
    """
    return _needed(form, "token")


def proves(verifier: str, challenge: str) -> bool:
    """Whether a PKCE verifier belongs to a challenge (RFC 7636, 4.6, S256)."""
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(made, challenge)


def _needed(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if value is None:
        raise OAuthError(ErrorCode.INVALID_REQUEST, f"{name}: is missing")
    return value
