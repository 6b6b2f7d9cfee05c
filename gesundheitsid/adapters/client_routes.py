"""What clients ask the broker directly: discovery, keys, tokens, and whom an access token stands for."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping

from aiohttp import web

from gesundheitsid.adapters.key_file import KeyFile
from gesundheitsid.adapters.limits import Limits
from gesundheitsid.adapters.metrics import Metrics
from gesundheitsid.rules.provider import (
    TOKEN_LIFETIME,
    Client,
    authenticated,
    challenge_of,
    discovery,
    fits,
    id_token,
)
from gesundheitsid.store.grants import Grants, NoGrant
from messenger_core.clock import Clock
from messenger_core.http_service import read_form
from messenger_core.problem import Problem
from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.keys import public_jwks

logger = logging.getLogger(__name__)

_NO_STORE = {"Cache-Control": "no-store"}
_DETAILS = {
    NoGrant.UNKNOWN: "the code is unknown",
    NoGrant.EXPIRED: "the code has expired",
    NoGrant.REPLAYED: "the code was used before; what it gave is revoked",
    NoGrant.FOREIGN: "the code was given to another client, for another redirect_uri or another code_verifier",
}


def _refused(error: str, detail: str, status: int = 400) -> web.Response:
    headers = {**_NO_STORE, "WWW-Authenticate": "Basic"} if status == 401 else _NO_STORE
    return web.json_response({"error": error, "error_description": detail}, status=status, headers=headers)


class ClientRoutes:
    """The provider's endpoints that no person sees."""

    def __init__(
        self,
        *,
        issuer: str,
        clients: Mapping[str, Client],
        grants: Grants,
        keys: KeyFile,
        metrics: Metrics,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._clients = clients
        self._grants = grants
        self._keys = keys
        self._metrics = metrics
        self._limits = limits
        self._clock = clock

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/jwks.json", self._jwks)
        app.router.add_post("/token", self._token)
        app.router.add_get("/userinfo", self._userinfo)

    async def _discovery(self, _request: web.Request) -> web.Response:
        return web.json_response(discovery(self._issuer))

    async def _jwks(self, _request: web.Request) -> web.Response:
        return web.json_response(public_jwks(*self._keys.ring("id-token").all))

    async def _token(self, request: web.Request) -> web.Response:
        try:
            form = await read_form(request)
        except Problem as fault:
            return _refused("invalid_request", fault.detail)
        client = authenticated(request.headers.get("Authorization"), self._clients)
        if client is None:
            self._limits.failed_clients.check(request)
            return _refused("invalid_client", "the client or its secret are wrong", 401)
        if form.get("grant_type") != "authorization_code":
            return _refused("unsupported_grant_type", "only authorization_code is given")
        verifier, now, access = form.get("code_verifier", ""), self._clock(), secrets.token_urlsafe(32)
        challenge = challenge_of(verifier)
        redeemed = await self._grants.redeem(
            form.get("code", ""),
            client_id=client.client_id,
            redirect_uri=form.get("redirect_uri", ""),
            challenge=challenge if fits(verifier, challenge) else None,
            access=access,
            now=now,
        )
        if isinstance(redeemed, NoGrant):
            logger.warning("%s: a code gives nothing: %s", client.client_id, redeemed.name.lower())
            if redeemed is NoGrant.REPLAYED:
                self._metrics.replayed()
            return _refused("invalid_grant", _DETAILS[redeemed])
        claims = id_token(
            redeemed.claims,
            issuer=self._issuer,
            client_id=client.client_id,
            nonce=redeemed.nonce,
            session=redeemed.session,
            access=access,
            now=now,
        )
        body = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIFETIME.total_seconds()),
            "id_token": sign_statement(self._keys.ring("id-token").current, claims),
        }
        return web.json_response(body, headers=_NO_STORE)

    async def _userinfo(self, request: web.Request) -> web.Response:
        # The pseudonym alone: what else the ID token said is not kept.
        scheme, _, access = request.headers.get("Authorization", "").partition(" ")
        subject = await self._grants.subject_of(access, self._clock()) if scheme.lower() == "bearer" else None
        if subject is None:
            self._limits.failed_clients.check(request)
            headers = {**_NO_STORE, "WWW-Authenticate": 'Bearer error="invalid_token"'}
            return web.json_response({"error": "invalid_token"}, status=401, headers=headers)
        return web.json_response({"sub": subject}, headers=_NO_STORE)
