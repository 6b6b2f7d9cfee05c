"""Synapse's back-channel logout: a token that says or proves nothing is refused, and costs the provider nothing."""

from __future__ import annotations

from typing import Any

from synapse.api.errors import Codes, SynapseError
from synapse.handlers.oidc import LogoutToken, OidcHandler, OidcProvider
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(OidcHandler, "handle_backchannel_logout", ("request",)),
    Feature(OidcProvider, "_verify_jwt", ("token", "claims_cls")),
    Feature(OidcProvider, "load_jwks", ("force",)),
)
_RELOAD_AFTER_S = 10
# What reading a token that somebody made up may end with: it has another form, other keys, or no end.
_MADE_UP = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class PrivateLogoutTokens:
    """What Synapse answers 500 for, with a traceback."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs
        self._reloaded_at_s: dict[str, float] = {}

    def refuse(self, refusal: str) -> None:
        """Refuses a token that cannot be read or was signed with another key, and fetches keys anew now and then only.

        Args:
            refusal: the text of the refusal.
        """

        async def read(call: Call) -> Any:
            try:
                return await call.go_on()
            except RecursionError:
                raise SynapseError(400, refusal, Codes.INVALID_PARAM) from None

        async def verify(call: Call) -> Any:
            if not issubclass(call.arguments["claims_cls"], LogoutToken):
                return await call.go_on()
            try:
                return await call.go_on()
            except _MADE_UP:
                raise SynapseError(400, refusal, Codes.INVALID_PARAM) from None

        async def load(call: Call) -> Any:
            if call.arguments["force"]:
                provider, now_s = call.arguments["self"].idp_id, self._hs.get_clock().time()
                if now_s - self._reloaded_at_s.get(provider, 0) < _RELOAD_AFTER_S:
                    return await call.go_on(force=False)
                self._reloaded_at_s[provider] = now_s
            return await call.go_on()

        put_in_front(OidcHandler, "handle_backchannel_logout", read)
        put_in_front(OidcProvider, "_verify_jwt", verify)
        put_in_front(OidcProvider, "load_jwks", load)
