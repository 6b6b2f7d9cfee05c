"""A reverse proxy that speaks TLS for a worker, as an operator's does: Synapse's workers do not speak it themselves."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

_OF_THE_CONNECTION = frozenset({"connection", "content-length", "keep-alive", "server", "transfer-encoding"})
_LARGEST_BODY = 64 * 1024 * 1024


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """For ``serving``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def forwarding_to(url: str) -> web.Application:
    """Forwards every request as it is: its path and its body are signed."""

    async def forward(request: web.Request) -> web.Response:
        address = URL(url + request.raw_path, encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        headers |= {"X-Forwarded-For": request.remote or "", "X-Forwarded-Proto": "https"}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as http,
            http.request(
                request.method, address, data=await request.read(), headers=headers, allow_redirects=False
            ) as answer,
        ):
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _OF_THE_CONNECTION]
            return web.Response(status=answer.status, body=await answer.read(), headers=CIMultiDict(kept))

    app = web.Application(client_max_size=_LARGEST_BODY)
    app.router.add_route("*", "/{path:.*}", forward)
    return app
