"""Asks a homeserver whose OpenID token it is (Matrix server-server API, openid/userinfo)."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

_PATH = "/_matrix/federation/v1/openid/userinfo"
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class HomeserverSilent(Exception):  # noqa: N818 - reads as what happened
    """The homeserver did not answer, or failed."""


class OpenIdUserinfo:
    """The homeservers whose people may search. Use it as an asynchronous context manager."""

    def __init__(self, homeservers: Mapping[str, str]) -> None:
        """Takes the base address of each server name."""
        self._homeservers = homeservers
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> OpenIdUserinfo:
        self._http = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._http is not None:
            await self._http.close()

    def knows(self, server_name: str) -> bool:
        """Whether people of this server may search."""
        return server_name in self._homeservers

    async def owner(self, server_name: str, token: str) -> str | None:
        """The user id that the token was given to, or None if the homeserver does not accept it.

        Raises:
            HomeserverSilent: if the homeserver cannot be asked.
        """
        if self._http is None:
            raise RuntimeError("use it as an asynchronous context manager")
        address = self._homeservers[server_name] + _PATH
        try:
            async with self._http.get(address, params={"access_token": token}, allow_redirects=False) as answer:
                if 400 <= answer.status < 500 and answer.status != 429:
                    return None
                if answer.status != 200:
                    raise HomeserverSilent
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise HomeserverSilent from None
        owner = body.get("sub") if isinstance(body, dict) else None
        return owner if isinstance(owner, str) else None
