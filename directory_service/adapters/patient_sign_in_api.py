"""How a client signs in to the directory: a search token for a Matrix OpenID token (I_VZD_TIM_Authenticate).

Insured people get one for ``/fdv/search``, practices one for ``/search``. The user id is neither logged nor stored.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from directory_service.adapters.account_standings import AccountStandings
from directory_service.adapters.openid_userinfo import HomeserverSilent, OpenIdUserinfo
from directory_service.adapters.search_tokens import LIFETIME, Audience, SearchTokens
from directory_service.rules.standing import Door, Standing
from messenger_core.catalogue import Catalogue
from messenger_core.rate_limits import RateGuard, TooManyRequests

_HEADER = "X-Matrix-OpenID-Token"
_LONGEST_OPENID_TOKEN = 1000
_NO_STORE = {"Cache-Control": "no-store"}


class _Refused(Exception):  # noqa: N818 - reads as what happened
    """A sign-in is refused: status, text of the catalogue, and the header or parameter at fault."""

    def __init__(self, status: int, text: str, attribute: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.attribute = attribute


_STANDINGS: dict[Standing, tuple[int, str, str | None]] = {
    Standing.UNDECIDED: (503, "sign-in-unavailable", None),
    Standing.LOCKED: (403, "sign-in-locked", "mxId"),
    Standing.OF_THE_HOUSE: (403, "sign-in-of-the-house", "mxId"),
    Standing.WITHDRAWN: (403, "sign-in-withdrawn", "mxId"),
}


class PatientSignInApi:
    """``GET /tim-authenticate``."""

    def __init__(
        self,
        *,
        userinfo: OpenIdUserinfo,
        standings: AccountStandings,
        tokens: SearchTokens,
        texts: Catalogue,
        guard: RateGuard,
    ) -> None:
        self._guard = guard
        self._standings = standings
        self._userinfo = userinfo
        self._tokens = tokens
        self._texts = texts

    def add_to(self, app: web.Application) -> None:
        """Adds the route."""
        app.router.add_get("/tim-authenticate", self._authenticate)

    async def _authenticate(self, request: web.Request) -> web.Response:
        try:
            self._guard.check(request)
            user_id = await self._confirmed(request.query.get("mxId", ""), request.headers.get(_HEADER, ""))
            audience, epoch = await self._audience(user_id)
        except _Refused as refusal:
            return self._refusal(refusal)
        except TooManyRequests as refusal:
            answer = self._refusal(_Refused(429, "sign-in-too-many"))
            answer.headers.update(refusal.headers)
            return answer
        body = {
            "access_token": self._tokens.issue(user_id, audience, datetime.now(UTC), epoch=epoch),
            "token_type": "Bearer",
            "expires_in": int(LIFETIME.total_seconds()),
        }
        return web.json_response(body, headers=_NO_STORE)

    async def _confirmed(self, named: str, openid_token: str) -> str:
        """The user id, if its homeserver is on the list and confirms it.

        Args:
            named: the homeserver's name, as gematik's clients send it (HOWTO_Authenticate), or the whole user id.
            openid_token: what the homeserver gave to the client.
        """
        server_name = named
        if named.startswith("@"):
            localpart, _, server_name = named.removeprefix("@").partition(":")
            server_name = server_name if localpart else ""
        if not (server_name and named.isprintable()):
            raise _Refused(400, "sign-in-mxid-missing", "mxId")
        if not openid_token or len(openid_token) > _LONGEST_OPENID_TOKEN or not openid_token.isprintable():
            raise _Refused(401, "sign-in-openid-missing", _HEADER)
        if not self._userinfo.knows(server_name):
            raise _Refused(401, "sign-in-server-unknown", "mxId")
        try:
            user_id = await self._userinfo.owner(server_name, openid_token)
        except HomeserverSilent:
            raise _Refused(503, "sign-in-unavailable") from None
        if user_id is None or named not in {user_id, user_id.partition(":")[2]}:
            raise _Refused(401, "sign-in-refused", _HEADER)
        return user_id

    async def _audience(self, user_id: str) -> tuple[Audience, int]:
        """Which search somebody gets, and in which epoch.

        Raises:
            _Refused: if the account may not search.
        """
        found, practice = await self._standings.at(Door.SEARCH_TOKEN, user_id)
        if found is not Standing.ALLOWED:
            raise _Refused(*_STANDINGS[found])
        return ("insured", 0) if practice is None else ("practices", practice.epoch)

    def _refusal(self, refusal: _Refused) -> web.Response:
        """An error in gematik's shape."""
        message = self._texts.line(refusal.text)
        body: dict[str, Any] = {"message": message}
        if refusal.attribute:
            body["errors"] = [{"attributeName": refusal.attribute, "attributeError": message}]
        headers = {**_NO_STORE, "WWW-Authenticate": "OAuth"} if refusal.status == 401 else _NO_STORE
        return web.json_response(body, status=refusal.status, headers=headers)
