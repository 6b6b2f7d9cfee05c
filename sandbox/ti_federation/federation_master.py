"""A federation master (OpenID Federation 1.0): what it says of itself and its members, and the list of providers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from joserfc.jwk import ECKey

from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.keys import public_jwks

STATEMENT_TYPE = "entity-statement+jwt"
LIFETIME = timedelta(hours=12)


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def statement(key: ECKey, issuer: str, subject: str, **claims: Any) -> str:
    """A signed entity statement that is valid from now on."""
    issued = int(now().timestamp())
    times = {"iat": issued, "exp": issued + int(LIFETIME.total_seconds())}
    return sign_statement(key, {"iss": issuer, "sub": subject, **times, **claims}, token_type=STATEMENT_TYPE)


def statement_answer(signed: str) -> web.Response:
    """An entity statement as an answer."""
    return web.Response(text=signed, content_type=f"application/{STATEMENT_TYPE}")


@dataclass(slots=True)
class FederationMaster:
    """The master.

    Attributes:
        entity_id: its address.
        key: signs what it says.
        members: the public federation keys (a JWK set) of each member, as it handed them in.
        idps: the names of the sectoral identity providers among them.
    """

    entity_id: str
    key: ECKey
    members: dict[str, Mapping[str, Any]]
    idps: dict[str, str] = field(default_factory=dict)

    def configuration(self) -> str:
        """What it says of itself."""
        metadata = {
            "federation_fetch_endpoint": f"{self.entity_id}/federation/fetch",
            "federation_list_endpoint": f"{self.entity_id}/federation/list",
            "idp_list_endpoint": f"{self.entity_id}/federation/listidps",
        }
        entity = self.entity_id
        return statement(self.key, entity, entity, jwks=public_jwks(self.key), metadata={"federation_entity": metadata})

    def about(self, subject: str) -> str | None:
        """What it says of a member; None if there is none of that name."""
        if subject not in self.members:
            return None
        policy = (
            {"openid_provider": {"client_registration_types_supported": {"subset_of": ["automatic"]}}}
            if subject in self.idps
            else {"openid_relying_party": {"client_registration_types": {"value": ["automatic"]}}}
        )
        return statement(self.key, self.entity_id, subject, jwks=dict(self.members[subject]), metadata_policy=policy)

    def idp_list(self) -> str:
        """The signed list of identity providers."""
        issued = int(now().timestamp())
        entries = [
            {"iss": issuer, "organization_name": name, "logo_uri": "", "user_type_supported": "IP", "pkv": False}
            for issuer, name in self.idps.items()
        ]
        claims = {
            "iss": self.entity_id,
            "iat": issued,
            "exp": issued + int(LIFETIME.total_seconds()),
            "idp_entity": entries,
        }
        return sign_statement(self.key, claims, token_type="idp-list+jwt")

    def application(self) -> web.Application:
        """Its HTTP side."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-federation", self._configuration)
        app.router.add_get("/federation/fetch", self._fetch)
        app.router.add_get("/federation/list", self._list)
        app.router.add_get("/federation/listidps", self._list_idps)
        return app

    async def _configuration(self, _request: web.Request) -> web.Response:
        return statement_answer(self.configuration())

    async def _fetch(self, request: web.Request) -> web.Response:
        signed = self.about(request.query.get("sub", ""))
        if request.query.get("iss", self.entity_id) != self.entity_id or signed is None:
            return web.json_response({"error": "not_found"}, status=404)
        return statement_answer(signed)

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response(list(self.members))

    async def _list_idps(self, _request: web.Request) -> web.Response:
        return web.Response(text=self.idp_list(), content_type="application/jwt")
