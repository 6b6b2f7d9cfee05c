"""One sign-in at a sectoral identity provider: the pushed request (RFC 9126), the code, and the ID token."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from joserfc.jwk import ECKey

from gesundheitsid.adapters.federation import Federation, host_of
from gesundheitsid.adapters.federation_http import Answer, FederationHttp, Unreachable
from gesundheitsid.adapters.key_file import KeyFile, mutual_tls
from gesundheitsid.rules.entity_statements import SCOPES
from gesundheitsid.rules.id_token import Expected, check_claims, check_signature, decrypt
from gesundheitsid.rules.provider import challenge_of
from gesundheitsid.rules.refusals import Reason, SignInRefused
from gesundheitsid.settings import FederationSettings, Level
from gesundheitsid.store.sign_ins import PushedRequest
from messenger_core.clock import Clock

logger = logging.getLogger(__name__)

_NOT_REGISTERED = frozenset({"invalid_client", "unauthorized_client"})
# Only these are logged as they stand there; what else an answer says might be about a person.
_ERRORS = _NOT_REGISTERED | {
    "access_denied",
    "invalid_grant",
    "invalid_request",
    "invalid_request_uri",
    "invalid_scope",
    "not_found",
    "server_error",
    "temporarily_unavailable",
    "unsupported_grant_type",
    "unsupported_response_type",
}
_LONGEST_REQUEST_URI = 1_000


class IdpClient:
    """The relying party's side of the protocol."""

    def __init__(
        self,
        *,
        entity_id: str,
        redirect_uri: str,
        level: Level,
        settings: FederationSettings,
        federation: Federation,
        http: FederationHttp,
        keys: KeyFile,
        clock: Clock,
    ) -> None:
        self._entity_id = entity_id
        self._redirect_uri = redirect_uri
        self._level = level
        self._settings = settings
        self._federation = federation
        self._http = http
        self._keys = keys
        self._clock = clock
        self._tls: tuple[str | None, ssl.SSLContext] | None = None

    async def push(self, pushed: PushedRequest, state: str) -> str:
        """Pushes an authorization request; returns the address that the person's browser goes to.

        Raises:
            SignInRefused: if there is no chain to the identity provider, or it refuses.
        """
        idp = await self._federation.idp(pushed.idp)
        form = {
            "client_id": self._entity_id,
            "response_type": "code",
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(SCOPES),
            "state": state,
            "nonce": pushed.nonce,
            "code_challenge": challenge_of(pushed.verifier),
            "code_challenge_method": "S256",
            "acr_values": self._level,
        }
        answer = await self._call("request", idp.par_endpoint, form, pushed.idp, Reason.REQUEST_REFUSED)
        created = answer.status == 201 or "par-answers-200" in self._settings.tolerated_deviations
        request_uri = answer.json().get("request_uri")
        if not created or not isinstance(request_uri, str) or not 0 < len(request_uri) <= _LONGEST_REQUEST_URI:
            raise SignInRefused(Reason.ANSWER_INCOMPLETE)
        joint = "&" if "?" in idp.authorization_endpoint else "?"
        query = urlencode({"client_id": self._entity_id, "request_uri": request_uri})
        return f"{idp.authorization_endpoint}{joint}{query}"

    async def redeem(self, code: str, pushed: PushedRequest) -> Mapping[str, Any]:
        """The verified claims that a code stands for.

        Raises:
            SignInRefused: with the reason.
        """
        idp = await self._federation.idp(pushed.idp)
        form = {
            "grant_type": "authorization_code",
            "client_id": self._entity_id,
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": pushed.verifier,
        }
        answer = await self._call("code", idp.token_endpoint, form, pushed.idp, Reason.CODE_REFUSED)
        token = answer.json().get("id_token")
        if answer.status != 200 or not isinstance(token, str):
            raise SignInRefused(Reason.ANSWER_INCOMPLETE)
        return await self._verified(token, pushed)

    async def _verified(self, token: str, pushed: PushedRequest) -> Mapping[str, Any]:
        ring: tuple[ECKey, ...] = self._keys.ring("encryption").all
        signed = decrypt(token, ring)
        try:
            claims = check_signature(signed, await self._federation.keys(pushed.idp))
        except SignInRefused as refusal:
            if refusal.reason is not Reason.TOKEN_KEY_UNKNOWN:
                raise
            # It may have new keys: asked once more, and then believed.
            claims = check_signature(signed, await self._federation.keys(pushed.idp, anew=True))
        expected = Expected(pushed.idp, self._entity_id, pushed.nonce, self._level, self._settings.clock_leeway)
        check_claims(claims, expected, self._clock())
        return claims

    async def _call(self, what: str, endpoint: str, form: Mapping[str, str], issuer: str, refused: Reason) -> Answer:
        try:
            answer = await self._http.post(endpoint, form, self._mutual_tls())
        except Unreachable as fault:
            logger.warning("%s: no answer to our %s (%s)", host_of(issuer), what, fault)
            raise SignInRefused(Reason.PROVIDER_UNAVAILABLE) from None
        if answer.status in {200, 201}:
            return answer
        said = answer.json().get("error")
        error = said if isinstance(said, str) and said in _ERRORS else "another error"
        logger.warning("%s: our %s is refused with status %d, %s", host_of(issuer), what, answer.status, error)
        if error in _NOT_REGISTERED or answer.status in {401, 403}:
            raise SignInRefused(Reason.NOT_REGISTERED)
        raise SignInRefused(refused)

    def _mutual_tls(self) -> ssl.SSLContext:
        ring = self._keys.ring("tls")
        if self._tls is None or self._tls[0] != ring.current.kid:
            self._tls = (ring.current.kid, mutual_tls(ring, self._ca_file))
        return self._tls[1]

    @property
    def _ca_file(self) -> Path | None:
        return self._settings.ca_file
