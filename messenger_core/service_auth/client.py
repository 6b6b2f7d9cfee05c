"""Calls another component: fetches an access token with a client assertion, keeps it, and sends the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
from joserfc.jwk import ECKey

from messenger_core.clock import Clock, present
from messenger_core.service_auth.access_tokens import AccessTokens


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


class ServiceClient:
    """One caller's connection to one component.

    ``base_url`` is the component's address; ``token_endpoint`` the full address of its token endpoint.
    Use it as an asynchronous context manager.
    """

    def __init__(
        self, *, client_id: str, key: ECKey, base_url: str, token_endpoint: str, clock: Clock = present
    ) -> None:
        self._clock = clock
        self._base_url = base_url.rstrip("/")
        self._token_endpoint = token_endpoint
        self._tokens = AccessTokens(client_id=client_id, key=key, token_endpoint=token_endpoint)
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

    async def access_token(self, scope: str) -> str:
        """The token for a scope: the one at hand, or a new one.

        Raises:
            CallFailed: if none is given.
        """
        now = self._clock()
        if known := self._tokens.find(scope, now):
            return known
        try:
            async with self._session().post(self._token_endpoint, data=self._tokens.form(scope, now)) as answer:
                body = await answer.json(content_type=None)
                if answer.status != 200:
                    error = body.get("error") if isinstance(body, dict) else None
                    raise CallFailed(f"token for {scope}", answer.status, error)
                return self._tokens.keep(scope, body, now)
        except (aiohttp.ClientError, TimeoutError, ValueError) as fault:
            raise CallFailed(f"token for {scope} ({type(fault).__name__})") from None

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
        all_headers = {**(headers or {}), "Authorization": f"Bearer {await self.access_token(scope)}"}
        try:
            async with self._session().request(
                method, self._base_url + path, json=body, params=query, headers=all_headers, allow_redirects=False
            ) as answer:
                if answer.status == 401:
                    # The other side's key may have changed; the next call asks for a new token.
                    self._tokens.drop(scope)
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
