"""Calls another component: fetches an access token with a client assertion, keeps it, and sends the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from joserfc.jwk import ECKey

from messenger_core.clock import Clock, present
from messenger_core.service_auth.assertions import make_assertion
from messenger_core.service_auth.token_grant import ASSERTION_TYPE, GRANT_TYPE

_RENEW_BEFORE_EXPIRY = timedelta(seconds=30)
_LONGEST_LIFETIME_S = 24 * 60 * 60


class CallFailed(Exception):  # noqa: N818 - reads as what happened
    """Another component refused a call or could not be reached.

    Attributes:
        status: its HTTP status, or None if there was no answer.
        problem: the ``type`` of its problem, or an OAuth error code, if it named one.
    """

    def __init__(self, what: str, status: int | None = None, problem: str | None = None) -> None:
        super().__init__(f"{what}: {status or 'no answer'}{f' ({problem})' if problem else ''}")
        self.status = status
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    usable_until: datetime


class ServiceClient:
    """One caller's connection to one component.

    ``base_url`` is the component's address; ``token_endpoint`` the full address of its token endpoint.
    Use it as an asynchronous context manager.
    """

    def __init__(
        self, *, client_id: str, key: ECKey, base_url: str, token_endpoint: str, clock: Clock = present
    ) -> None:
        self._clock = clock
        self._client_id = client_id
        self._key = key
        self._base_url = base_url.rstrip("/")
        self._token_endpoint = token_endpoint
        self._tokens: dict[str, _Token] = {}
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ServiceClient:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=90))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._http is not None:
            await self._http.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise RuntimeError("use the client as an asynchronous context manager")
        return self._http

    async def _token(self, scope: str) -> str:
        now = self._clock()
        known = self._tokens.get(scope)
        if known is not None and now < known.usable_until:
            return known.value
        form = {
            "grant_type": GRANT_TYPE,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": make_assertion(
                self._key, client_id=self._client_id, audience=self._token_endpoint, now=now
            ),
            "scope": scope,
        }
        try:
            async with self._session().post(self._token_endpoint, data=form) as answer:
                body = await answer.json(content_type=None)
                if answer.status != 200 or not isinstance(body, dict) or "access_token" not in body:
                    error = body.get("error") if isinstance(body, dict) else None
                    raise CallFailed(f"token for {scope}", answer.status, error)
        except (aiohttp.ClientError, TimeoutError, ValueError) as fault:
            raise CallFailed(f"token for {scope} ({type(fault).__name__})") from None
        lifetime_s = body.get("expires_in")
        if type(lifetime_s) is not int or not 0 < lifetime_s <= _LONGEST_LIFETIME_S:
            raise CallFailed(f"token for {scope} (its lifetime)", 200)
        token = _Token(body["access_token"], now + timedelta(seconds=lifetime_s) - _RENEW_BEFORE_EXPIRY)
        self._tokens[scope] = token
        return token.value

    async def answer(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        body: object | None = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Makes a call and returns status and JSON body, whatever the status is.

        Raises:
            CallFailed: if no token was given, or no JSON answer came.
        """
        all_headers = {**(headers or {}), "Authorization": f"Bearer {await self._token(scope)}"}
        try:
            async with self._session().request(
                method, self._base_url + path, json=body, params=query, headers=all_headers, allow_redirects=False
            ) as answer:
                if answer.status == 401:
                    # The other side's key may have changed; the next call asks for a new token.
                    self._tokens.pop(scope, None)
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as fault:
            raise CallFailed(f"{method} for {scope} ({type(fault).__name__})") from None

    async def call(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        body: object | None = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Makes a call that must succeed and returns its JSON body.

        Raises:
            CallFailed: if the status is not 2xx.
        """
        status, content = await self.answer(method, path, scope=scope, body=body, query=query, headers=headers)
        if not 200 <= status < 300:
            named = content.get("type") or content.get("errcode") if isinstance(content, dict) else None
            raise CallFailed(f"{method} for {scope}", status, named)
        return content
