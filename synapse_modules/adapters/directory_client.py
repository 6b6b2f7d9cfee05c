"""Calls the directory with the homeserver's key: the set of reachable practices, and the search."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from pydantic import ValidationError
from synapse.api.errors import HttpResponseException
from synapse.module_api import ModuleApi

from messenger_core.clock import present
from messenger_core.problem import WireModel
from messenger_core.service_auth.access_tokens import AccessTokens
from messenger_core.service_auth.bounded_json import BoundedDecoder
from messenger_core.service_auth.keys import ALGORITHM
from synapse_modules.rules.errors import ModuleError
from synapse_modules.settings import Configuration
from synapse_modules.store.reachability import Delta, Position

_SEARCH = "directory:search"
_TOKEN_PATH = "/oauth2/token"
_WAIT_S = 25
_PAGE = 5_000
"""As many accounts at once: half a megabyte, and a transaction of well under a second."""
_DELTA_AGE = timedelta(minutes=5)


class DirectoryFault(ModuleError):  # noqa: N818 - reads as what happened
    """The directory did not answer, or its answer cannot be trusted; the text holds nothing of it."""


class _DeltaClaims(WireModel):
    iss: str
    iat: int
    full: bool
    since: int
    version: int
    mark: str
    add: list[str]
    remove: list[str]
    more: bool


class _Found(WireModel):
    user_id: str
    display_name: str
    reason: str | None = None


class _Meaning(WireModel):
    word: str
    specialties: list[str]


class SignInCode(WireModel):
    """A code, and when it ends, in milliseconds since 1970."""

    code: str
    expires_at: int


class SearchAnswer(WireModel):
    """What the directory found; clients have no place for reasons and meanings."""

    limited: bool
    results: list[_Found]
    meanings: list[_Meaning] | None = None


class DirectoryClient:
    """One process's connection to the directory."""

    def __init__(self, api: ModuleApi, configuration: Configuration) -> None:
        self._http = api.http_client
        self._settings = configuration.settings.directory
        self._jwks = configuration.directory_jwks
        self._tokens = AccessTokens(
            client_id=self._settings.client_id,
            key=configuration.directory_key,
            token_endpoint=f"{self._settings.url}{_TOKEN_PATH}",
        )

    async def reachable(self, since: Position) -> Delta:
        """Waits up to 25 seconds for a page of what changed after a position, and verifies its signature.

        Raises:
            DirectoryFault: if there is no answer that can be trusted.
        """
        query = {"since": str(since.version), "mark": since.mark, "wait": str(_WAIT_S), "limit": str(_PAGE)}
        answer = await self._get("/reachable", query, "reachability:read")
        try:
            claims = jwt.decode(answer["delta"], self._jwks, algorithms=[ALGORITHM], decoder_cls=BoundedDecoder).claims
            delta = _DeltaClaims.model_validate(claims)
        except (JoseError, ValidationError, ValueError, TypeError, KeyError):
            raise DirectoryFault("the delta is not signed as agreed, or not readable") from None
        if delta.iss != self._settings.url or abs(present().timestamp() - delta.iat) > _DELTA_AGE.total_seconds():
            raise DirectoryFault("the delta is of another issuer or of another time")
        return Delta(
            delta.full,
            delta.since,
            delta.version,
            tuple(delta.add),
            tuple(delta.remove),
            delta.mark,
            delta.more,
        )

    @property
    def may_search(self) -> bool:
        """Whether a token for the search is at hand."""
        return self._tokens.find(_SEARCH, present()) is not None

    async def prepare_search(self) -> None:
        """Fetches a token for the search if none is at hand.

        Raises:
            DirectoryFault: if none is given.
        """
        await self._token(_SEARCH)

    async def people_search(self, term: str, limit: int) -> SearchAnswer:
        """Practices that insured people may reach.

        Raises:
            DirectoryFault: if there is no answer.
        """
        headers = {b"Authorization": [b"Bearer " + (await self._token(_SEARCH)).encode()]}
        try:
            answer = await self._http.post_json_get_json(
                self._settings.url + "/people-search", {"term": term, "limit": limit}, headers
            )
            return SearchAnswer.model_validate(answer)
        except Exception as fault:  # noqa: BLE001 - whatever went wrong, there is no answer
            raise self._fault(_SEARCH, fault) from None

    async def sign_in_code(self, user_id: str) -> SignInCode:
        """A code with which the practice of an account signs in to its page.

        Raises:
            DirectoryFault: if there is none.
        """
        scope = "practice:sign-in"
        headers = {b"Authorization": [b"Bearer " + (await self._token(scope)).encode()]}
        try:
            answer = await self._http.post_json_get_json(
                self._settings.url + "/practice-sign-in-codes", {"user_id": user_id}, headers
            )
            return SignInCode.model_validate(answer)
        except Exception as fault:  # noqa: BLE001 - whatever went wrong, there is no answer
            raise self._fault(scope, fault) from None

    async def _get(self, path: str, query: Mapping[str, str], scope: str) -> Any:
        headers = {b"Authorization": [b"Bearer " + (await self._token(scope)).encode()]}
        try:
            return await self._http.get_json(self._settings.url + path, query, headers)
        except Exception as fault:  # noqa: BLE001 - whatever went wrong, there is no answer
            raise self._fault(scope, fault) from None

    def _fault(self, scope: str, fault: Exception) -> DirectoryFault:
        if isinstance(fault, HttpResponseException):
            self._tokens.drop(scope)
            return DirectoryFault(f"{scope}: answered with {fault.code}")
        return DirectoryFault(f"{scope}: {type(fault).__name__}")

    async def _token(self, scope: str) -> str:
        moment = present()
        if known := self._tokens.find(scope, moment):
            return known
        try:
            answer = await self._http.post_urlencoded_get_json(
                f"{self._settings.url}{_TOKEN_PATH}", self._tokens.form(scope, moment)
            )
            return self._tokens.keep(scope, answer, moment)
        except Exception as fault:  # noqa: BLE001 - whatever went wrong, there is no token
            raise self._fault(scope, fault) from None
