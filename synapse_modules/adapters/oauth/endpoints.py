"""What clients call themselves: metadata, registration, tokens, revocation."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from synapse.http.site import SynapseRequest

from messenger_core.clock import Clock
from messenger_core.homeserver_interface import SIGN_IN_PREFIX
from synapse_modules.adapters.oauth.http import Answer, Endpoint, SignInRequest, json_answer
from synapse_modules.adapters.oauth.sessions import ClientSessions
from synapse_modules.adapters.synapse_private.token_sign_in import DeviceTokens
from synapse_modules.rules.oauth.account_actions import AccountAction
from synapse_modules.rules.oauth.client_metadata import AdmittedClients, ClientIds, read_client_metadata
from synapse_modules.rules.oauth.codes import Code
from synapse_modules.rules.oauth.errors import ErrorCode, OAuthError
from synapse_modules.rules.oauth.parameters import read_parameters
from synapse_modules.rules.oauth.seals import Seal
from synapse_modules.rules.oauth.token_request import (
    CodeRequest,
    RefreshToken,
    read_refresh_token,
    read_revocation,
    read_token_request,
)
from synapse_modules.store.oauth_sessions import OAuthSessions

METADATA_PATHS = (
    "/_matrix/client/v1/auth_metadata",
    "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
)
_FORM = "application/x-www-form-urlencoded"
_NOT_HERE = {"errcode": "M_UNRECOGNIZED", "error": "This homeserver has no OAuth API"}


def metadata(public_url: str) -> dict[str, Any]:
    """What clients are told of this API (Matrix "Server metadata discovery", RFC 8414)."""
    at = public_url + SIGN_IN_PREFIX
    return {
        "issuer": f"{public_url}/",
        "authorization_endpoint": f"{at}/authorize",
        "token_endpoint": f"{at}/token",
        "revocation_endpoint": f"{at}/revoke",
        "registration_endpoint": f"{at}/register",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": True,
        "account_management_uri": f"{at}/account",
        "account_management_actions_supported": [action.value for action in AccountAction],
    }


class MetadataAnswer:
    """The answer of every process; while nobody is admitted, only for clients that still have a session."""

    def __init__(self, public_url: str, admitted: AdmittedClients, sessions: OAuthSessions) -> None:
        self._metadata = metadata(public_url)
        self._admitted = admitted
        self._sessions = sessions

    async def answer(self, request: SynapseRequest) -> tuple[int, dict[str, Any]]:
        """The metadata, or Matrix's answer of a homeserver without it."""
        if self._admitted.closed and not await self._sessions.any_left():
            return HTTPStatus.NOT_FOUND, _NOT_HERE
        request.responseHeaders.setRawHeaders("Cache-Control", ["public, max-age=600"])
        return HTTPStatus.OK, self._metadata


class ClientEndpoints:
    """The endpoints that the metadata names for programs."""

    def __init__(
        self,
        *,
        admitted: AdmittedClients,
        clients: ClientIds,
        codes: Seal,
        sessions: ClientSessions,
        clock: Clock,
    ) -> None:
        self._admitted = admitted
        self._clients = clients
        self._codes = codes
        self._sessions = sessions
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        return [
            Endpoint("POST", "/register", self._register, for_programs=True),
            Endpoint("POST", "/token", self._token, for_programs=True),
            Endpoint("POST", "/revoke", self._revoke, for_programs=True),
        ]

    async def _register(self, request: SignInRequest) -> Answer:
        client = read_client_metadata(request.body, self._admitted)
        return json_answer(HTTPStatus.CREATED, {"client_id": self._clients.issue(client), **client.body()})

    async def _token(self, request: SignInRequest) -> Answer:
        asked = read_token_request(_form(request))
        if isinstance(asked, CodeRequest):
            code, tokens, refresh_token = await self._begin(asked, request)
            return _tokens(tokens, refresh_token, scope=code.scope)
        tokens, refresh_token = await self._sessions.go_on(asked.refresh_token, asked.client_id)
        return _tokens(tokens, refresh_token)

    async def _begin(self, asked: CodeRequest, request: SignInRequest) -> tuple[Code, DeviceTokens, RefreshToken]:
        content = self._codes.open(asked.code, self._clock())
        if content is None:
            raise OAuthError(ErrorCode.INVALID_GRANT, "code: not valid, or not valid any more")
        code = Code.of(content)
        client = self._clients.read(asked.client_id)
        if client is None:
            raise OAuthError(ErrorCode.INVALID_CLIENT, "client_id: not known here, or not admitted any more")
        tokens, refresh_token = await self._sessions.begin(
            code,
            client,
            fits=code.fits(asked),
            client_label=self._admitted.entry_for(client.host) or "",
            address=request.address,
            user_agent=request.user_agent,
        )
        return code, tokens, refresh_token

    async def _revoke(self, request: SignInRequest) -> Answer:
        token = read_revocation(_form(request))
        await self._sessions.revoke(token, read_refresh_token(token))
        return json_answer(HTTPStatus.OK, {})


def _form(request: SignInRequest) -> Mapping[str, str]:
    """The body's fields; parameters in the address, which stand in logs, count for nothing."""
    if request.content_type != _FORM:
        raise OAuthError(ErrorCode.INVALID_REQUEST, f"{_FORM} is expected")
    return read_parameters(request.body)


def _tokens(tokens: DeviceTokens, refresh_token: RefreshToken, **more: str) -> Answer:
    return json_answer(
        HTTPStatus.OK,
        {
            "access_token": tokens.access_token,
            "token_type": "Bearer",
            "expires_in": int(tokens.expires_in.total_seconds()),
            "refresh_token": str(refresh_token),
            **more,
        },
        [("Pragma", "no-cache")],
    )
