"""How the federation knows us: ``GET /.well-known/openid-federation``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from joserfc.jwk import ECKey

from gesundheitsid.adapters.key_file import KeyFile
from gesundheitsid.rules.entity_statements import STATEMENT_TYPE, OwnEntity, own_statement
from messenger_core.clock import Clock
from messenger_core.service_auth.assertions import sign_statement

_SIGNED_ANEW_AFTER = timedelta(minutes=1)


def _public(*keys: ECKey) -> list[dict[str, Any]]:
    return [dict(key.as_dict(private=False)) for key in keys]


class EntityRoute:
    """Our entity statement, with the keys in use and the next ones; signed anew once a minute, and for other keys."""

    def __init__(self, own: OwnEntity, keys: KeyFile, clock: Clock) -> None:
        self._own = own
        self._keys = keys
        self._clock = clock
        self._signed: tuple[object, datetime, str] | None = None

    def add_to(self, app: web.Application) -> None:
        """Adds the route."""
        app.router.add_get("/.well-known/openid-federation", self._statement)

    async def _statement(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._statement_at(self._clock()), content_type=f"application/{STATEMENT_TYPE}")

    def _statement_at(self, now: datetime) -> str:
        rings = self._keys.rings()
        # The file's rings are one object until the file changes.
        if self._signed is not None and self._signed[0] is rings and now - self._signed[1] < _SIGNED_ANEW_AFTER:
            return self._signed[2]
        federation, tls, encryption = rings["federation"], rings["tls"], rings["encryption"]
        claims = own_statement(
            self._own,
            federation_keys=_public(federation.current, federation.following),
            party_keys=_public(tls.current, tls.following, encryption.current, encryption.following),
            now=now,
        )
        signed = sign_statement(federation.current, claims, token_type=STATEMENT_TYPE)
        self._signed = (rings, now, signed)
        return signed
