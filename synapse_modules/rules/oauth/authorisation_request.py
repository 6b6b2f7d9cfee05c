"""The authorisation request and its answers (RFC 6749, 4.1.1 to 4.1.2.1; RFC 7636; RFC 9207)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlencode

from synapse_modules.rules.oauth.client_metadata import ClientIds, ClientMetadata
from synapse_modules.rules.oauth.errors import ErrorCode, OAuthError, UnknownReturnError
from synapse_modules.rules.oauth.scopes import read_scope

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_STATE = re.compile(r"[\x20-\x7e]{1,500}")


class ResponseMode(Enum):
    """Where in the address the answer stands."""

    QUERY = "query"
    FRAGMENT = "fragment"


@dataclass(frozen=True, slots=True)
class ReturnPath:
    """How the client is answered, known before anything else is read."""

    client_id: str
    redirect_uri: str
    state: str
    mode: ResponseMode

    def address(self, issuer: str, answer: Mapping[str, str], *, by_redirect: bool = False) -> str:
        """The address at which the client reads an answer.

        Args:
            issuer: of this server (RFC 9207).
            answer: what is told beside ``state`` and ``iss``.
            by_redirect: whether browsers come by a redirect; they would carry an old fragment along.
        """
        told = urlencode({**answer, **({"state": self.state} if self.state else {}), "iss": issuer})
        if self.mode is ResponseMode.FRAGMENT:
            return f"{self.redirect_uri}#{told}"
        return f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{told}{'#' if by_redirect else ''}"


@dataclass(frozen=True, slots=True)
class AuthorisationRequest:
    """A client's request that may be put to a person."""

    back: ReturnPath
    scope: str
    device_id: str
    challenge: str

    def content(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"back": asdict(self.back) | {"mode": self.back.mode.value}}

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> AuthorisationRequest:
        """Back from JSON of this house."""
        back = content["back"]
        path = ReturnPath(**back | {"mode": ResponseMode(back["mode"])})
        return cls(**{**content, "back": path})


def find_return(parameters: Mapping[str, str], clients: ClientIds) -> tuple[ClientMetadata, ReturnPath]:
    """The client of a request, and how it is answered.

    Raises:
        UnknownReturnError: if no client can be told anything.
    """
    client_id, redirect_uri = parameters.get("client_id", ""), parameters.get("redirect_uri", "")
    client = clients.read(client_id)
    if client is None or not client.allows_return_to(redirect_uri):
        raise UnknownReturnError
    state = parameters.get("state", "")
    in_fragment = parameters.get("response_mode") == ResponseMode.FRAGMENT.value
    mode = ResponseMode.FRAGMENT if in_fragment else ResponseMode.QUERY
    return client, ReturnPath(client_id, redirect_uri, state if _STATE.fullmatch(state) else "", mode)


def read_authorisation_request(parameters: Mapping[str, str], back: ReturnPath) -> AuthorisationRequest:
    """Checks the rest of a request whose client is known. What it says beside it is not looked at.

    Raises:
        OAuthError: what the client is told.
    """
    if parameters.get("response_type") != "code":
        raise OAuthError(ErrorCode.UNSUPPORTED_RESPONSE_TYPE, "response_type: only code")
    if "request" in parameters:
        raise OAuthError(ErrorCode.REQUEST_NOT_SUPPORTED, "request: not answered here")
    if "request_uri" in parameters:
        raise OAuthError(ErrorCode.REQUEST_URI_NOT_SUPPORTED, "request_uri: not answered here")
    if parameters.get("response_mode", "query") not in {mode.value for mode in ResponseMode}:
        raise OAuthError(ErrorCode.INVALID_REQUEST, "response_mode: query or fragment")
    if not back.state:
        raise OAuthError(ErrorCode.INVALID_REQUEST, "state: 1 to 500 printable ASCII characters are needed")
    challenge = parameters.get("code_challenge", "")
    if parameters.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise OAuthError(ErrorCode.INVALID_REQUEST, "code_challenge: PKCE with S256 is needed")
    grant = read_scope(parameters.get("scope", ""))
    if "none" in parameters.get("prompt", "").split(" "):
        raise OAuthError(ErrorCode.LOGIN_REQUIRED, "prompt: every sign-in is a new identification")
    return AuthorisationRequest(back, grant.scope, grant.device_id, challenge)
