"""Who a browser belongs to, told by the homeserver: its single sign-on gives a login token, which is used up at once.

The token becomes a device only for as long as it takes to get an OpenID token from it; then the device is gone again.
"""

from __future__ import annotations

import logging
from urllib.parse import quote, urlencode

import aiohttp

from directory_service.adapters.openid_userinfo import HomeserverSilent, OpenIdUserinfo
from messenger_core.homeserver_interface import LOGIN_PATH

logger = logging.getLogger(__name__)

_CLIENT = "/_matrix/client/v3"
_TIMEOUT = aiohttp.ClientTimeout(total=15)
_LOGOUT_TRIES = 3


class SignInNotConfirmed(Exception):  # noqa: N818 - reads as what happened
    """The homeserver does not confirm the sign-in: the token is used, old, or of somebody who is locked."""


class HomeserverSignIn:
    """The homeserver's single sign-on, for a page instead of a client."""

    def __init__(self, homeserver: str, provider: str, userinfo: OpenIdUserinfo) -> None:
        """Takes the homeserver's address, and the provider with which insured people sign in there."""
        self._homeserver = homeserver
        self._provider = provider
        self._userinfo = userinfo

    def start(self, return_to: str) -> str:
        """Where the browser goes to sign in; it comes back to ``return_to`` with a ``loginToken``."""
        path = f"{_CLIENT}/login/sso/redirect/{quote(self._provider, safe='')}"
        return f"{self._homeserver}{path}?{urlencode({'redirectUrl': return_to})}"

    async def finish(self, login_token: str, client: str) -> str:
        """The user id that a login token was given to.

        Args:
            login_token: what the browser came back with.
            client: the browser's address: the homeserver counts attempts by it, not by ours, which all share.

        Raises:
            SignInNotConfirmed: if the homeserver does not accept it.
            HomeserverSilent: if the homeserver cannot be asked.
        """
        on_behalf_of = {"X-Forwarded-For": client, "X-Forwarded-Proto": "https"}
        async with aiohttp.ClientSession(timeout=_TIMEOUT, headers=on_behalf_of) as http:
            body = {
                "type": "m.login.token",
                "token": login_token,
                "initial_device_display_name": "Praxissuche",
            }
            device = await self._post(http, LOGIN_PATH, body)
            user_id, access_token = str(device.get("user_id", "")), str(device.get("access_token", ""))
            bearer = {"Authorization": f"Bearer {access_token}"}
            try:
                path = f"{_CLIENT}/user/{quote(user_id, safe='')}/openid/request_token"
                openid = await self._post(http, path, {}, bearer)
            finally:
                await self._end(http, bearer)
        server_name = user_id.partition(":")[2]
        if not self._userinfo.knows(server_name):
            raise SignInNotConfirmed
        if await self._userinfo.owner(server_name, str(openid.get("access_token", ""))) != user_id:
            raise SignInNotConfirmed
        return user_id

    async def _end(self, http: aiohttp.ClientSession, bearer: dict[str, str]) -> None:
        """Ends the device."""
        for _ in range(_LOGOUT_TRIES):
            try:
                await self._post(http, f"{_CLIENT}/logout", {}, bearer)
                return
            except SignInNotConfirmed:
                return  # the device is gone already
            except HomeserverSilent:
                continue
        logger.error("a device that was needed for a sign-in could not be ended: the homeserver does not answer")

    async def _post(
        self, http: aiohttp.ClientSession, path: str, body: object, headers: dict[str, str] | None = None
    ) -> dict[str, object]:
        try:
            async with http.post(self._homeserver + path, json=body, headers=headers, allow_redirects=False) as answer:
                if 400 <= answer.status < 500 and answer.status != 429:
                    raise SignInNotConfirmed
                content = await answer.json(content_type=None) if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise HomeserverSilent from None
        if not isinstance(content, dict):
            raise HomeserverSilent
        return content
