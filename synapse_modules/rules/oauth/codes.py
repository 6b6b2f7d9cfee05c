"""What an authorisation code holds, sealed: the request, and the login token that the sign-in stands on."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from synapse_modules.rules.oauth.authorisation_request import AuthorisationRequest
from synapse_modules.rules.oauth.token_request import CodeRequest, hash_of, proves

REQUEST_LIFETIME = timedelta(minutes=30)
"""How long a person may take to sign in."""
PROOF_LIFETIME = timedelta(minutes=5)
"""How long a sign-in is good for: reading the page, and giving the code back."""


@dataclass(frozen=True, slots=True)
class Code:
    """Whose device may be signed in by whom.

    Attributes:
        login_token: the homeserver's, of the same provider and session; once it is dead, so is the code.
    """

    user_id: str
    login_token: str
    client_hash: str
    redirect_hash: str
    challenge: str
    scope: str
    device_id: str

    @classmethod
    def for_request(cls, request: AuthorisationRequest, *, user_id: str, login_token: str) -> Code:
        """The code that a person grants to a request."""
        return cls(
            user_id,
            login_token,
            hash_of(request.back.client_id),
            hash_of(request.back.redirect_uri),
            request.challenge,
            request.scope,
            request.device_id,
        )

    def fits(self, request: CodeRequest) -> bool:
        """Whether whoever gives the code back is the one that it was made for."""
        return (
            hmac.compare_digest(hash_of(request.client_id), self.client_hash)
            and hmac.compare_digest(hash_of(request.redirect_uri), self.redirect_hash)
            and proves(request.verifier, self.challenge)
        )

    def content(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Code:
        """Back from JSON of this house."""
        return cls(**content)
