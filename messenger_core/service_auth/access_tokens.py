"""The caller's side of the token grant: what is asked for, and the tokens at hand until they end.

Whoever sends the requests (aiohttp or Twisted) is another one in each process; this is the same in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from joserfc.jwk import ECKey

from messenger_core.service_auth.assertions import make_assertion
from messenger_core.service_auth.token_grant import ASSERTION_TYPE, GRANT_TYPE

_RENEW_BEFORE_END = timedelta(seconds=30)
_LONGEST_LIFETIME_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    usable_until: datetime


class AccessTokens:
    """The access tokens of one caller at one component, by scope."""

    def __init__(self, *, client_id: str, key: ECKey, token_endpoint: str) -> None:
        self._client_id = client_id
        self._key = key
        self._token_endpoint = token_endpoint
        self._tokens: dict[str, _Token] = {}

    def find(self, scope: str, now: datetime) -> str | None:
        """The token at hand for a scope; None if a new one has to be asked for."""
        token = self._tokens.get(scope)
        return token.value if token is not None and now < token.usable_until else None

    def form(self, scope: str, now: datetime) -> dict[str, str]:
        """The fields with which a token is asked for (RFC 7523, 2.2)."""
        return {
            "grant_type": GRANT_TYPE,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": make_assertion(
                self._key, client_id=self._client_id, audience=self._token_endpoint, now=now
            ),
            "scope": scope,
        }

    def keep(self, scope: str, answer: object, now: datetime) -> str:
        """Keeps the token of an answer (RFC 6749, 5.1), and returns it.

        Raises:
            ValueError: if the answer holds none, or one without a lifetime of up to a day.
        """
        content = answer if isinstance(answer, dict) else {}
        value, lifetime_s = content.get("access_token"), content.get("expires_in")
        if not isinstance(value, str) or type(lifetime_s) is not int or not 0 < lifetime_s <= _LONGEST_LIFETIME_S:
            raise ValueError("no access token with a lifetime of up to a day")
        self._tokens[scope] = _Token(value, now + timedelta(seconds=lifetime_s) - _RENEW_BEFORE_END)
        return value

    def drop(self, scope: str) -> None:
        """Gives a token up that the other side no longer takes."""
        self._tokens.pop(scope, None)
