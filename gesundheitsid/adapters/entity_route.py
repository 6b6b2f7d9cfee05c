"""How the federation knows us: ``GET /.well-known/openid-federation``."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from joserfc.jwk import ECKey

from gesundheitsid.adapters.key_file import KeyFile
from gesundheitsid.rules.entity_statements import STATEMENT_TYPE, OwnEntity, own_statement
from messenger_core.clock import Clock
from messenger_core.service_auth.assertions import sign_statement


def _public(*keys: ECKey) -> list[dict[str, Any]]:
    return [dict(key.as_dict(private=False)) for key in keys]


class EntityRoute:
    """Our entity statement, signed anew for each request, with the keys in use and the next ones."""

    def __init__(self, own: OwnEntity, keys: KeyFile, clock: Clock) -> None:
        self._own = own
        self._keys = keys
        self._clock = clock

    def add_to(self, app: web.Application) -> None:
        """Adds the route."""
        app.router.add_get("/.well-known/openid-federation", self._statement)

    async def _statement(self, _request: web.Request) -> web.Response:
        rings = self._keys.rings()
        federation, tls, encryption = rings["federation"], rings["tls"], rings["encryption"]
        claims = own_statement(
            self._own,
            federation_keys=_public(federation.current, federation.following),
            party_keys=_public(tls.current, tls.following, encryption.current, encryption.following),
            now=self._clock(),
        )
        signed = sign_statement(federation.current, claims, token_type=STATEMENT_TYPE)
        return web.Response(text=signed, content_type=f"application/{STATEMENT_TYPE}")
