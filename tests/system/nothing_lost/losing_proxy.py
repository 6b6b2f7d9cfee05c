"""Stands between the service and its homeserver, and loses the answer to a request that the homeserver has taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from sandbox.ports import reserve_port

_ENDS_HERE = frozenset({"host", "connection", "transfer-encoding", "content-length", "content-encoding"})


class LosingProxy:
    """Forwards everything, until it is told to lose an answer; from then on nothing passes until it is ``mend``-ed."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.upstream = ""
        """The homeserver's own address."""
        self.lost = asyncio.Event()
        """Set once the homeserver took the request whose answer nobody got."""
        self._lose: bytes | None = None
        self._broken = False

    def lose_answer_to(self, words: bytes) -> None:
        """Loses the next answer to a request with these words in its body."""
        self._lose = words
        self.lost.clear()

    def mend(self) -> None:
        """Lets everything pass again."""
        self._broken = False

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """One request and its answer."""
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _ENDS_HERE}
        try:
            if self._broken:
                raise ConnectionError
            async with aiohttp.request(
                request.method, self.upstream + request.raw_path, data=body, headers=headers
            ) as answer:
                content = await answer.read()
            if self._lose is not None and self._lose in body:
                assert answer.status == 200
                self._lose, self._broken = None, True
                self.lost.set()
            if self._broken:
                raise ConnectionError
        except (aiohttp.ClientError, OSError):
            if request.transport is not None:
                request.transport.abort()
            raise web.HTTPBadGateway from None
        return web.Response(status=answer.status, body=content, content_type=answer.content_type)


@asynccontextmanager
async def losing_proxy() -> AsyncIterator[LosingProxy]:
    """The proxy on a free port, for as long as the block runs."""
    proxy = LosingProxy(port := reserve_port())
    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_route("*", "/{path:.*}", proxy.pass_on)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield proxy
    finally:
        await runner.cleanup()
