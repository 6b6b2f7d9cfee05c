"""What a person's browser walks through: from the client to the homeserver's own sign-in, the consent, and back."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from synapse.module_api import ModuleApi

from messenger_core.clock import Clock
from messenger_core.homeserver_interface import SIGN_IN_PREFIX
from synapse_modules.adapters.oauth import cookies
from synapse_modules.adapters.oauth.account_page import AccountPage
from synapse_modules.adapters.oauth.http import Answer, Endpoint, SignInRequest, Template, html_answer, redirect
from synapse_modules.adapters.synapse_private.token_sign_in import PrivateTokenSignIn, TokenDeadError
from synapse_modules.rules.oauth.authorisation_request import (
    AuthorisationRequest,
    find_return,
    read_authorisation_request,
)
from synapse_modules.rules.oauth.client_metadata import (
    AdmittedClients,
    ClientIds,
    ClientMetadata,
    ReturnKind,
    kind_of_return,
)
from synapse_modules.rules.oauth.codes import PROOF_LIFETIME, REQUEST_LIFETIME, Code
from synapse_modules.rules.oauth.errors import ErrorCode, OAuthError, UnknownReturnError
from synapse_modules.rules.oauth.parameters import read_parameters
from synapse_modules.rules.oauth.seals import Purpose, Seal
from synapse_modules.store.accounts import Accounts
from synapse_modules.store.oauth_sessions import OAuthSessions


class SignInPages:
    """Nothing is stored until a client gives its code back: what is under way, the browser carries, sealed."""

    def __init__(
        self,
        api: ModuleApi,
        *,
        public_url: str,
        admitted: AdmittedClients,
        clients: ClientIds,
        codes: Seal,
        synapse: PrivateTokenSignIn,
        sessions: OAuthSessions,
        accounts: Accounts,
        account: AccountPage,
        consent_page: Template,
        notice_page: Template,
        clock: Clock,
    ) -> None:
        self._api = api
        self._public_url = public_url
        self._issuer = f"{public_url}/"
        self._admitted = admitted
        self._clients = clients
        self._requests = Seal(synapse.cookie_secret, Purpose.REQUEST, REQUEST_LIFETIME)
        self._proofs = Seal(synapse.cookie_secret, Purpose.PROOF, PROOF_LIFETIME)
        self._codes = codes
        self._synapse = synapse
        self._sessions = sessions
        self._accounts = accounts
        self._account = account
        self._consent_page = consent_page
        self._notice_page = notice_page
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        return [
            Endpoint("GET", "/authorize", self._authorise),
            Endpoint("GET", "/callback", self._come_back),
            Endpoint("GET", "/consent", self._ask_consent),
        ]

    async def _authorise(self, request: SignInRequest) -> Answer:
        """Takes a client's request down and sends the person to her sign-in."""
        try:
            _, back = find_return(read_parameters(request.query, may_repeat=True), self._clients)
        except (UnknownReturnError, OAuthError):
            return self._notice("client-unknown", HTTPStatus.BAD_REQUEST)
        try:
            asked = read_authorisation_request(read_parameters(request.query), back)
            sealed = self._requests.close(asked.content(), self._clock())
            if len(sealed) > cookies.LARGEST:
                raise OAuthError(ErrorCode.INVALID_REQUEST, "the request is too long")
        except OAuthError as error:
            return redirect(back.address(self._issuer, error.body(), by_redirect=True))
        return cookies.begin_sign_in(self._public_url, request.cookies, sealed, REQUEST_LIFETIME)

    async def _come_back(self, request: SignInRequest) -> Answer:
        """Takes the sign-in's login token, in whatever browser it comes; only the one that began it goes on."""
        parameters = read_parameters(request.query, may_repeat=True)
        try:
            proof = await self._synapse.consume(parameters.get("loginToken", ""))
        except TokenDeadError:
            proof = None
        request_id = parameters.get("r", "")
        held = cookies.held(request.cookies, request_id)
        if self._proofs.open(held, self._clock()) is not None:
            # The page was loaded again.
            return redirect(self._consent_address(request_id))
        if proof is not None and (visit := self._account.begin(proof.user_id, held, request_id)) is not None:
            return visit
        content = self._requests.open(held, self._clock())
        if proof is None or content is None:
            return self._notice("begin-anew", HTTPStatus.BAD_REQUEST)
        asked = AuthorisationRequest.of(content)
        client = self._clients.read(asked.back.client_id)
        if client is None:
            return self._notice("client-unknown", HTTPStatus.BAD_REQUEST)
        if await self._sessions.device_is_of_others(proof.user_id, asked.device_id, client.host):
            error = OAuthError(ErrorCode.INVALID_SCOPE, "this device id is in use")
            return redirect(
                asked.back.address(self._issuer, error.body(), by_redirect=True), [cookies.forget(request_id)]
            )
        login_token = await self._api.create_login_token(
            proof.user_id,
            int(PROOF_LIFETIME.total_seconds() * 1000),
            proof.provider_id,
            proof.provider_session_id,
        )
        sealed = self._proofs.close(
            {"asked": content, "user_id": proof.user_id, "login_token": login_token}, self._clock()
        )
        return redirect(
            self._consent_address(request_id),
            [cookies.remember(request_id, sealed, PROOF_LIFETIME)],
        )

    def _consent_address(self, request_id: str) -> str:
        return f"{self._public_url}{SIGN_IN_PREFIX}/consent?r={quote(request_id)}"

    async def _ask_consent(self, request: SignInRequest) -> Answer:
        """Shows who signs in, what gets access and where the answer goes; both ways on are links."""
        request_id = read_parameters(request.query, may_repeat=True).get("r", "")
        proof = self._proofs.open(cookies.held(request.cookies, request_id), self._clock())
        asked = AuthorisationRequest.of(proof["asked"]) if proof is not None else None
        client = self._clients.read(asked.back.client_id) if asked is not None else None
        account = await self._accounts.find(proof["user_id"]) if proof is not None else None
        if proof is None or asked is None or client is None or account is None:
            return self._notice("begin-anew", HTTPStatus.BAD_REQUEST)
        code = Code.for_request(asked, user_id=proof["user_id"], login_token=proof["login_token"])
        page = self._consent_page.render(
            person=account.display_name,
            user_id=account.user_id,
            **_shown(client, asked),
            go_on=asked.back.address(self._issuer, {"code": self._codes.close(code.content(), self._clock())}),
            cancel=asked.back.address(self._issuer, OAuthError(ErrorCode.ACCESS_DENIED, "the person said no").body()),
        )
        return html_answer(HTTPStatus.OK, page.encode())

    def _notice(self, what: str, status: HTTPStatus) -> Answer:
        return html_answer(status, self._notice_page.render(what=what).encode())


def _shown(client: ClientMetadata, asked: AuthorisationRequest) -> Mapping[str, str]:
    kind = kind_of_return(asked.back.redirect_uri)
    where = asked.back.redirect_uri.split("/")[2] if kind is ReturnKind.WEB else ""
    return {"client": client.name, "host": client.host, "kind": kind.value, "where": where}
