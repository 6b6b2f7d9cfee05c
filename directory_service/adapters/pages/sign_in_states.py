"""What binds the way back from the homeserver to the browser that began here, without anything being stored.

A state is a random word with its end and a seal over both, so that no request that was not sent on by a directory of
this key costs more than a hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from joserfc.jwk import ECKey

STATE_LIFETIME = timedelta(minutes=15)


class SignInStates:
    """Issues states and knows its own."""

    def __init__(self, key: ECKey) -> None:
        """Takes the directory's signing key, from which the seal's key is derived, the same in every process."""
        private = str(key.as_dict(private=True)["d"]).encode()
        self._key = hmac.digest(private, b"state of a sign-in at the pages", hashlib.sha256)

    def issue(self, now: datetime) -> str:
        """A state that is good for a quarter of an hour."""
        said = f"{secrets.token_urlsafe(18)}.{int((now + STATE_LIFETIME).timestamp())}"
        return f"{said}.{self._seal(said)}"

    def is_own(self, state: str, now: datetime) -> bool:
        """Whether a state was issued here and is good still."""
        said, _, seal = state.rpartition(".")
        if not hmac.compare_digest(self._seal(said).encode(), seal.encode("utf-8", "replace")):
            return False
        ends = said.rpartition(".")[2]
        return int(ends) > now.timestamp()

    def _seal(self, said: str) -> str:
        return hmac.new(self._key, said.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
