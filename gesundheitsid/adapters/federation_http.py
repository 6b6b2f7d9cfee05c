"""Requests to the federation and its identity providers: verified TLS, no redirects, bounded in time and size."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from gesundheitsid.adapters.reachable_addresses import checking_sockets
from messenger_core.client_address import Network
from messenger_core.service_auth.bounded_json import read_object

_LARGEST = 1024 * 1024
_MOST_CONNECTIONS = 50


class Unreachable(Exception):  # noqa: N818 - reads as what happened
    """Nobody answered, or not in time, or the answer was a failure of the other side."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    status: int
    content_type: str
    text: str

    def json(self) -> Mapping[str, Any]:
        """The body as an object; an empty one if it is something else."""
        try:
            return read_object(self.text)
        except ValueError:
            return {}


class FederationHttp:
    """The HTTP client; to be used as an async context manager.

    It calls addresses of the internet, and those of ``private_networks``. What is answered compressed is not read.
    """

    def __init__(self, ca_file: Path | None, timeout_s: float, private_networks: Sequence[Network] = ()) -> None:
        self._private_networks = private_networks
        self._context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> FederationHttp:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._context,
                limit=_MOST_CONNECTIONS,
                socket_factory=checking_sockets(self._private_networks),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, address: str, query: Mapping[str, str] | None = None) -> Answer:
        """Asks.

        Raises:
            Unreachable: see there.
        """
        return await self._request("GET", address, params=query)

    async def post(self, address: str, form: Mapping[str, str], context: ssl.SSLContext | None = None) -> Answer:
        """Sends a form, with a context of its own if the other side wants to see our certificate.

        Raises:
            Unreachable: see there.
        """
        return await self._request("POST", address, data=form, ssl=context or self._context)

    async def _request(self, method: str, address: str, **more: Any) -> Answer:
        assert self._session is not None
        try:
            async with self._session.request(method, address, allow_redirects=False, **more) as answer:
                body = bytearray()
                async for chunk in answer.content.iter_chunked(65_536):
                    body += chunk
                    if len(body) > _LARGEST:
                        raise Unreachable("the answer is too large")
                status, content_type = answer.status, answer.content_type
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            raise Unreachable(type(fault).__name__) from None
        if status >= 500 or status == 429:
            raise Unreachable(f"status {status}")
        return Answer(status, content_type, bytes(body).decode("utf-8", errors="replace"))
