"""Synapse's OpenID tokens: whose one is, for services of this server itself."""

from __future__ import annotations

from synapse.federation.federation_server import FederationServer
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (Feature(FederationServer, "on_openid_userinfo", ("token",)),)


class PrivateOpenId:
    """What the public module API cannot do with OpenID tokens."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    async def owner_of(self, token: str) -> str | None:
        """The user id of whom this server gave a token to; None if it did not, or if the token is over."""
        return await self._hs.get_federation_server().on_openid_userinfo(token)
