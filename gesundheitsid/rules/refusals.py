"""Why a sign-in is refused: each reason has a page of its own (texts.yaml), a figure and a line in the log."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """What stands between a person and her account; the value is the key of its texts."""

    # What the application sent that the person comes from.
    CLIENT_UNKNOWN = "client-unknown"
    REDIRECT_UNKNOWN = "redirect-unknown"
    # The person's way through the browser.
    SIGN_IN_UNKNOWN = "sign-in-unknown"
    COOKIES_OFF = "cookies-off"
    TOO_MANY = "too-many"
    # The broker itself.
    BROKER_FAILED = "broker-failed"
    OTHER_BROWSER = "other-browser"
    CANCELLED = "cancelled"
    # The federation.
    INSURER_UNKNOWN = "insurer-unknown"
    NOT_IN_FEDERATION = "not-in-federation"
    FEDERATION_UNAVAILABLE = "federation-unavailable"
    LIST_INVALID = "list-invalid"
    STATEMENT_INVALID = "statement-invalid"
    STATEMENT_EXPIRED = "statement-expired"
    STATEMENT_FOREIGN = "statement-foreign"
    AUTHORITY_UNKNOWN = "authority-unknown"
    METADATA_REFUSED = "metadata-refused"
    KEYS_INVALID = "keys-invalid"
    # The insurer's identity provider.
    PROVIDER_UNAVAILABLE = "provider-unavailable"
    PROVIDER_ERROR = "provider-error"
    NOT_REGISTERED = "not-registered"
    REQUEST_REFUSED = "request-refused"
    CODE_REFUSED = "code-refused"
    ANSWER_INCOMPLETE = "answer-incomplete"
    ANSWER_FOREIGN = "answer-foreign"
    # Its ID token.
    TOKEN_UNREADABLE = "token-unreadable"
    TOKEN_UNENCRYPTED = "token-unencrypted"
    TOKEN_ENCRYPTION = "token-encryption"
    TOKEN_UNDECRYPTABLE = "token-undecryptable"
    TOKEN_UNSIGNED = "token-unsigned"
    TOKEN_ALGORITHM = "token-algorithm"
    TOKEN_KEY_UNKNOWN = "token-key-unknown"
    TOKEN_KEY_USE = "token-key-use"
    TOKEN_SIGNATURE = "token-signature"
    TOKEN_ISSUER = "token-issuer"
    TOKEN_AUDIENCE = "token-audience"
    TOKEN_EXPIRED = "token-expired"
    TOKEN_EARLY = "token-early"
    TOKEN_NONCE = "token-nonce"
    LEVEL_TOO_LOW = "level-too-low"
    IDENTITY_MISSING = "identity-missing"


class SignInRefused(Exception):  # noqa: N818 - reads as what happened
    """A sign-in ends here.

    Attributes:
        reason: why.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
