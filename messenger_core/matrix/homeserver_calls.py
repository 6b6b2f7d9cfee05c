"""Calls the homeserver's client API with the account's token: JSON in, JSON out, every wait bounded."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp

from messenger_core.matrix.answer_json import read_answer
from messenger_core.matrix.faults import SendFailed

logger = logging.getLogger(__name__)

_TIMEOUT_S = 60.0
_MEDIA_TIMEOUT_S = 600.0
_PATIENCE_WITH_LIMITS_S = 30.0
_CONNECTIONS = 32
# Under which a list stands that was the whole answer.
_LIST = ""


class HomeserverCalls:
    """One account's connection. ``close`` it at the end."""

    def __init__(
        self,
        base_url: str,
        user_id: str,
        device_id: str,
        sign_in: Callable[[str], Awaitable[str]],
        prove: Callable[[], Mapping[str, Any]],
    ) -> None:
        """Takes how to get a new access token for a device (``connect`` asks for the first one), and a fresh proof.

        Args:
            base_url: the homeserver's address.
            user_id: the account.
            device_id: its device; whoever gives the account a new one changes it and connects anew.
            sign_in: device id to access token, see ``sign_in``.
            prove: what user-interactive authentication takes as the account's key, see ``sign_in.key_proof``.
        """
        self.base_url = base_url
        self.user_id = user_id
        self.device_id = device_id
        self._sign_in = sign_in
        self._prove = prove
        self.renewals = 0
        """How often the token ended and the account signed in again; the homeserver may have forgotten its device."""
        self._token = ""
        self._signing_in = asyncio.Lock()
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_CONNECTIONS))

    @property
    def access_token(self) -> str:
        """The present access token."""
        return self._token

    async def connect(self) -> None:
        """Signs in; waits for a homeserver that is down.

        Raises:
            SettingsError: if the homeserver refuses the account.
        """
        self._token = await self._sign_in(self.device_id)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    @staticmethod
    def path(template: str, *parts: str) -> str:
        """A path with its parts quoted: ``path("/_matrix/client/v3/rooms/{}/leave", room_id)``."""
        return template.format(*(quote(part, safe="") for part in parts))

    async def get(
        self, path: str, *, params: Mapping[str, str] | None = None, timeout_s: float = _TIMEOUT_S
    ) -> dict[str, Any]:
        """Asks; see ``_call`` for what it raises."""
        return await self._call("GET", path, None, params, timeout_s)

    async def get_list(self, path: str, *, timeout_s: float = _TIMEOUT_S) -> list[Any]:
        """Asks for what is answered with a list."""
        answer = await self._call("GET", path, None, None, timeout_s)
        found: list[Any] = answer.get(_LIST, [])
        return found

    async def put(self, path: str, body: Mapping[str, Any], *, timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
        """Puts a JSON body."""
        return await self._call("PUT", path, body, None, timeout_s)

    async def post(self, path: str, body: Mapping[str, Any], *, timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
        """Posts a JSON body."""
        return await self._call("POST", path, body, None, timeout_s)

    async def post_with_proof(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Posts a JSON body, and once more with a fresh proof of the account's key if the homeserver asks for one."""
        try:
            return await self.post(path, body)
        except SendFailed as fault:
            if fault.status != 401 or fault.errcode is not None:
                raise
        return await self.post(path, {**body, "auth": dict(self._prove())})

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        params: Mapping[str, str] | None,
        timeout_s: float,
    ) -> dict[str, Any]:
        """One call, repeated for a while if the homeserver limits it, and once with a new token if the old one ended.

        Raises:
            SendFailed: if the homeserver refused, did not answer, or answered what is no JSON object.
        """
        data = None if body is None else json.dumps(body).encode()
        patience, signed_in = _PATIENCE_WITH_LIMITS_S, False
        while True:
            token = self._token
            status, answer = await self._once(method, path, data, params, timeout_s)
            if status == 200:
                return answer
            errcode = answer.get("errcode")
            refusal = SendFailed("the homeserver refused", errcode if isinstance(errcode, str) else None, status)
            if status == 429 and patience > 0:
                pause = min(_retry_after_s(answer), patience)
                patience -= pause
                await asyncio.sleep(pause)
            elif refusal.errcode == "M_UNKNOWN_TOKEN" and not signed_in:
                signed_in = True
                await self._renew(token)
            else:
                raise refusal

    async def _once(
        self, method: str, path: str, data: bytes | None, params: Mapping[str, str] | None, timeout_s: float
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._http.request(
                method, self.base_url + path, data=data, params=params, headers=headers, timeout=timeout
            ) as answer:
                raw, status = await answer.read(), answer.status
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            raise SendFailed(f"the homeserver could not be asked: {type(fault).__name__}") from None
        try:
            content = read_answer(raw) if raw else {}
        except (ValueError, RecursionError) as fault:
            if status != 200:
                # A proxy's own page; the status says enough.
                return status, {}
            raise SendFailed(f"the homeserver's answer cannot be read: {type(fault).__name__}", status=502) from None
        if isinstance(content, list):
            return status, {_LIST: content}
        return status, content if isinstance(content, dict) else {}

    async def _renew(self, ended: str) -> None:
        """A new token in place of one that ended; of those who notice it together, one asks."""
        async with self._signing_in:
            if self._token == ended:
                logger.warning("the access token ended; signing in again")
                self._token = await self._sign_in(self.device_id)
                self.renewals += 1

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, data: Any = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is read (or a request that is written) piece by piece, for media; nothing is repeated.

        Raises:
            SendFailed: if the homeserver could not be asked, or the connection broke.
        """
        sent = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        timeout = aiohttp.ClientTimeout(total=_MEDIA_TIMEOUT_S, sock_read=_TIMEOUT_S)
        try:
            async with self._http.request(
                method, self.base_url + path, data=data, headers=sent, timeout=timeout
            ) as answer:
                yield answer
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            raise SendFailed(f"the homeserver could not be asked: {type(fault).__name__}") from None


def _retry_after_s(answer: Mapping[str, Any]) -> float:
    wanted = answer.get("retry_after_ms")
    return max(0.1, wanted / 1000) if isinstance(wanted, int | float) and not isinstance(wanted, bool) else 1.0
