"""Back-channel logout: a token that says or proves nothing is refused, and costs the provider nothing."""

from __future__ import annotations

import time
from typing import Any

from synapse.api.errors import Codes, SynapseError

from messenger_core.catalogue import Catalogue
from synapse_modules.adapters.synapse_private.logout_tokens import is_logout_token
from synapse_modules.adapters.synapse_private.wrapping import Call

_RELOAD_AFTER_S = 10
# What reading a token that somebody made up may end with: it has another form, other keys, or no end.
_MADE_UP = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class LogoutTokenGate:
    """Stands in front of what Synapse answers 500 for, with a traceback."""

    def __init__(self, texts: Catalogue) -> None:
        self._texts = texts
        self._reloaded_at_s: dict[str, float] = {}

    async def read(self, call: Call) -> Any:
        """A logout token comes.

        Raises:
            SynapseError: if it has no end.
        """
        try:
            return await call.go_on()
        except RecursionError:
            raise self._refusal() from None

    async def verify(self, call: Call) -> Any:
        """A token of a provider is verified.

        Raises:
            SynapseError: if it is a logout token that cannot be read, or was signed with another key.
        """
        if not is_logout_token(call.arguments["claims_cls"]):
            return await call.go_on()
        try:
            return await call.go_on()
        except _MADE_UP:
            raise self._refusal() from None

    async def load_keys(self, call: Call) -> Any:
        """The provider's keys are fetched: anew now and then only, whatever keys a token names."""
        if call.arguments["force"]:
            provider, now_s = call.arguments["self"].idp_id, time.monotonic()
            if now_s - self._reloaded_at_s.get(provider, -_RELOAD_AFTER_S) < _RELOAD_AFTER_S:
                return await call.go_on(force=False)
            self._reloaded_at_s[provider] = now_s
        return await call.go_on()

    def _refusal(self) -> SynapseError:
        return SynapseError(400, self._texts.line("logout-token-refused"), Codes.INVALID_PARAM)
