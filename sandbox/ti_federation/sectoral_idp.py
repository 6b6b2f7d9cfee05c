"""A sectoral identity provider after gemSpec_IDP_Sek: pushed requests by mutual TLS, encrypted ID tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web
from joserfc import jwe
from joserfc.jwk import ECKey, KeySet

from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.keys import public_jwks
from sandbox.faults import SandboxFault
from sandbox.identity_provider.register import claims_of
from sandbox.people import Agent, Person
from sandbox.ti_federation.federation_master import now, statement, statement_answer
from sandbox.ti_federation.registered_party import NotRegistered, RegisteredParty, find_party
from sandbox.ti_federation.tls_front import CERTIFICATE_HEADER

SCOPES = frozenset({"openid", "urn:telematik:versicherter", "urn:telematik:display_name"})
LEVELS = ("gematik-ehealth-loa-high", "gematik-ehealth-loa-substantial")
_REQUEST_LIFETIME = timedelta(seconds=90)
_CHOOSING = timedelta(minutes=10)
_CODE_LIFETIME = timedelta(seconds=60)
_PARTY_KEPT = timedelta(seconds=60)
_MOST_OPEN = 10_000
_NEEDED = (
    *("response_type", "redirect_uri", "scope", "state", "nonce"),
    *("code_challenge", "code_challenge_method", "acr_values"),
)


class Refused(SandboxFault):
    """An OAuth 2.0 error."""

    def __init__(self, error: str, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.error = error
        self.status = status


@dataclass(frozen=True, slots=True)
class Pushed:
    """A pushed request, then the same waiting for a person, then her code."""

    party: RegisteredParty
    form: Mapping[str, str]
    expires_at: datetime
    subject: Person | None = None


class SectoralIdp:
    """One insurer's identity provider. What is open is in memory: a restart only ends sign-ins under way.

    Attributes:
        created: the status with which a pushed request is answered.
    """

    created = 201

    def __init__(
        self,
        *,
        issuer: str,
        pages: str,
        master: str,
        master_keys: KeySet,
        key: ECKey,
        token_key: ECKey,
        pairwise_secret: str,
        http: aiohttp.ClientSession,
    ) -> None:
        """Takes what it needs.

        Args:
            issuer: its address in the federation (https).
            pages: the address below which people see its pages.
            master: the federation master.
            master_keys: the master's public keys.
            key: signs its statements.
            token_key: signs ID tokens.
            pairwise_secret: makes ``sub`` another one for each relying party.
            http: how it asks master and relying parties.
        """
        self.issuer = issuer
        self.key = key
        self.token_key = token_key
        self._pages = pages
        self._master = master
        self._master_keys = master_keys
        self._pairwise_secret = pairwise_secret.encode()
        self._http = http
        self._parties: dict[str, tuple[RegisteredParty, datetime]] = {}
        self._pushed: dict[str, Pushed] = {}
        self._asked: dict[str, Pushed] = {}
        self._answered: dict[str, Pushed] = {}

    def metadata(self) -> dict[str, Any]:
        """What it says of itself as ``openid_provider``."""
        return {
            "issuer": self.issuer,
            "organization_name": "HEK (stand-in)",
            "signed_jwks_uri": f"{self.issuer}/jws.json",
            "pushed_authorization_request_endpoint": f"{self.issuer}/par",
            # For a browser, which does not know the sandbox's certificate authority.
            "authorization_endpoint": f"{self._pages}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "client_registration_types_supported": ["automatic"],
            "subject_types_supported": ["pairwise"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "require_pushed_authorization_requests": True,
            "token_endpoint_auth_methods_supported": ["self_signed_tls_client_auth"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "id_token_encryption_alg_values_supported": ["ECDH-ES"],
            "id_token_encryption_enc_values_supported": ["A256GCM"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": sorted(SCOPES),
            "acr_values_supported": list(LEVELS),
            "user_type_supported": ["IP"],
        }

    def configuration(self) -> str:
        """Its entity statement."""
        metadata = {"openid_provider": self.metadata()}
        return statement(
            self.key,
            self.issuer,
            self.issuer,
            jwks=public_jwks(self.key),
            authority_hints=[self._master],
            metadata=metadata,
        )

    def signed_keys(self) -> str:
        """The keys of its ID tokens, signed."""
        token = {"iss": self.issuer, "sub": self.issuer, "iat": int(now().timestamp()), **public_jwks(self.token_key)}
        return sign_statement(self.key, token, token_type="jwk-set+jwt")

    async def _party(self, client_id: str, certificate: bytes | None) -> RegisteredParty:
        """The client, authenticated by the certificate of its connection."""
        known, until = self._parties.get(client_id, (None, None))
        if known is None or until is None or now() >= until or not known.knows_certificate(certificate):
            try:
                known = await find_party(self._http, client_id, master=self._master, master_keys=self._master_keys)
            except NotRegistered:
                raise Refused("invalid_client", "there is no trust chain to this client", 401) from None
            self._parties[client_id] = (known, now() + _PARTY_KEPT)
        if not known.knows_certificate(certificate):
            raise Refused("invalid_client", "the certificate is not in the client's jwks", 401)
        return known

    async def push(self, form: Mapping[str, str], certificate: bytes | None) -> dict[str, Any]:
        """Takes a pushed request (RFC 9126, 2).

        Raises:
            Refused: as gematik's tests want it.
        """
        if not form.get("client_id", "").startswith(("https://", "http://")):
            raise Refused("invalid_client", "client_id must be the address of an entity", 401)
        party = await self._party(form["client_id"], certificate)
        lacking = [name for name in _NEEDED if not form.get(name)]
        if lacking:
            raise Refused("invalid_request", f"missing: {', '.join(lacking)}")
        scopes = frozenset(form["scope"].split())
        if "openid" not in scopes or not scopes <= SCOPES & party.scopes:
            raise Refused("invalid_scope", "a scope is not supported, or not in the client's entity statement")
        if form["response_type"] != "code":
            raise Refused("invalid_request", "response_type must be code")
        if form["code_challenge_method"] != "S256" or len(form["code_challenge"]) != 43:
            raise Refused("invalid_request", "code_challenge_method must be S256")
        if not set(form["acr_values"].split()) <= set(LEVELS):
            raise Refused("invalid_request", "acr_values are not supported")
        if form["redirect_uri"] not in party.metadata.get("redirect_uris", []):
            raise Refused("invalid_request", "redirect_uri is not in the client's entity statement")
        self._forget_old()
        request_uri = f"urn:ietf:params:oauth:request_uri:{secrets.token_urlsafe(24)}"
        self._pushed[request_uri] = Pushed(party, dict(form), now() + _REQUEST_LIFETIME)
        return {"request_uri": request_uri, "expires_in": int(_REQUEST_LIFETIME.total_seconds())}

    def ask(self, query: Mapping[str, str]) -> str:
        """Begins a person's sign-in; each pushed request serves once.

        Raises:
            Refused: if it is not known (any more), or another client's.
        """
        pushed = self._pushed.pop(query.get("request_uri", ""), None)
        if pushed is None or now() >= pushed.expires_at or query.get("client_id") != pushed.party.entity_id:
            raise Refused("invalid_request_uri", "request_uri")
        request_id = secrets.token_urlsafe(24)
        self._asked[request_id] = Pushed(pushed.party, pushed.form, now() + _CHOOSING)
        return request_id

    def is_open(self, request_id: str, moment: datetime) -> bool:
        """Whether a request still waits for a person."""
        asked = self._asked.get(request_id)
        return asked is not None and moment < asked.expires_at

    def answer(self, request_id: str, subject: Person | Agent, moment: datetime) -> str:
        """Closes a request with the person who signed in; returns where her browser goes."""
        assert isinstance(subject, Person)
        asked = self._asked.pop(request_id)
        code = secrets.token_urlsafe(32)
        self._answered[code] = Pushed(asked.party, asked.form, moment + _CODE_LIFETIME, subject)
        return self._back(asked, code=code, iss=self.issuer)

    def cancel(self, request_id: str) -> str:
        """Closes a request without a sign-in; returns where the browser goes."""
        return self._back(self._asked.pop(request_id), error="access_denied", iss=self.issuer)

    @staticmethod
    def _back(asked: Pushed, **values: str) -> str:
        return f"{asked.form['redirect_uri']}?{urlencode({**values, 'state': asked.form['state']})}"

    async def token(self, form: Mapping[str, str], certificate: bytes | None) -> dict[str, Any]:
        """The answer of the token endpoint.

        Raises:
            Refused: if client, code or verifier are wrong; a code is gone after its first use.
        """
        party = await self._party(form.get("client_id", ""), certificate)
        if form.get("grant_type") != "authorization_code":
            raise Refused("unsupported_grant_type", "only authorization_code is given")
        answered = self._answered.pop(form.get("code", ""), None)
        if answered is None or now() >= answered.expires_at or answered.party.entity_id != party.entity_id:
            raise Refused("invalid_grant", "the code is unknown, used or expired")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        fits = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == answered.form["code_challenge"]
        if not fits or form.get("redirect_uri") != answered.form["redirect_uri"]:
            raise Refused("invalid_grant", "code_verifier or redirect_uri do not fit the request")
        return {
            "access_token": secrets.token_urlsafe(32),
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.sealed(self.signed(self.claims(answered)), party),
        }

    def claims(self, answered: Pushed) -> dict[str, Any]:
        """What an ID token says."""
        assert answered.subject is not None
        name = f"{answered.party.entity_id} {answered.subject.name}".encode()
        issued = int(now().timestamp())
        return {
            **claims_of(answered.subject, frozenset(answered.form["scope"].split())),
            "iss": self.issuer,
            "aud": answered.party.entity_id,
            "sub": hmac.new(self._pairwise_secret, name, hashlib.sha256).hexdigest(),
            "nonce": answered.form["nonce"],
            "iat": issued,
            "auth_time": issued,
            "exp": issued + 300,
        }

    def signed(self, claims: Mapping[str, Any]) -> str:
        """The inner token."""
        return sign_statement(self.token_key, claims)

    def sealed(self, signed: str, party: RegisteredParty) -> str:
        """The outer token, for the relying party alone."""
        key = party.encryption_key()
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "cty": "JWT", "kid": key.kid}
        return jwe.encrypt_compact(header, signed, key, ["ECDH-ES", "A256GCM"])

    def _forget_old(self) -> None:
        moment = now()
        for table in (self._pushed, self._asked, self._answered):
            for name in [name for name, one in table.items() if moment >= one.expires_at]:
                del table[name]
            while len(table) >= _MOST_OPEN:
                del table[next(iter(table))]

    def application(self) -> web.Application:
        """Its side towards the federation."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-federation", self._configuration)
        app.router.add_get("/jws.json", self._signed_keys)
        app.router.add_route("*", "/par", self._par)
        app.router.add_route("*", "/token", self._token)
        return app

    async def _configuration(self, _request: web.Request) -> web.Response:
        return statement_answer(self.configuration())

    async def _signed_keys(self, _request: web.Request) -> web.Response:
        return web.Response(text=self.signed_keys(), content_type="application/jwk-set+jwt")

    async def _par(self, request: web.Request) -> web.Response:
        return await self._answer(request, self.push, self.created)

    async def _token(self, request: web.Request) -> web.Response:
        return await self._answer(request, self.token, 200)

    @staticmethod
    async def _answer(request: web.Request, serve: Any, status: int) -> web.Response:
        headers = {"Cache-Control": "no-store"}
        shown = request.headers.get(CERTIFICATE_HEADER)
        certificate = base64.b64decode(shown) if shown else None
        try:
            if request.method != "POST":
                raise Refused("invalid_request", "POST is needed", 405)
            form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
            return web.json_response(await serve(form, certificate), status=status, headers=headers)
        except Refused as refusal:
            body = {"error": refusal.error, "error_description": str(refusal)}
            return web.json_response(body, status=refusal.status, headers=headers)
