"""What a client is told in OAuth's form (RFC 6749, 4.1.2.1 and 5.2; RFC 7591, 3.2.2)."""

from __future__ import annotations

from enum import Enum

from synapse_modules.rules.errors import ModuleError


class ErrorCode(Enum):
    """The ``error`` of an answer."""

    ACCESS_DENIED = "access_denied"
    INVALID_CLIENT = "invalid_client"
    INVALID_CLIENT_METADATA = "invalid_client_metadata"
    INVALID_GRANT = "invalid_grant"
    INVALID_REDIRECT_URI = "invalid_redirect_uri"
    INVALID_REQUEST = "invalid_request"
    INVALID_SCOPE = "invalid_scope"
    LOGIN_REQUIRED = "login_required"
    REQUEST_NOT_SUPPORTED = "request_not_supported"
    REQUEST_URI_NOT_SUPPORTED = "request_uri_not_supported"
    SERVER_ERROR = "server_error"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"


class OAuthError(ModuleError):
    """A request is refused.

    Attributes:
        code: what programs read.
        description: one sentence of ASCII for developers, without anything of a person.
    """

    def __init__(self, code: ErrorCode, description: str) -> None:
        super().__init__(f"{code.value}: {description}")
        self.code = code
        self.description = description

    def body(self) -> dict[str, str]:
        """The answer's JSON."""
        return {"error": self.code.value, "error_description": self.description}


class UnknownReturnError(ModuleError):
    """Nobody can be told safely: the client or its address is unknown, so the person reads a page."""
