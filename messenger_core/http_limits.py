"""Bounds what one request may bring along: nothing compressed, so many bytes, fields, members and levels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from messenger_core.http_connections import connection_of
from messenger_core.problem import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_HandlerT = TypeVar("_HandlerT", bound=Callable[..., Awaitable[web.StreamResponse]])

MOST_FIELDS = 200
"""Fields of a form."""
SMALL_BODY_BYTES = 64 * 1024
"""Where nobody is signed in yet: a form with a signed statement in it has room."""
LARGE_BODY_BYTES = 1024 * 1024
"""Where the caller is known."""
LONGEST_ADDRESS = 8_190
"""Characters, as many as usual: what is longer comes no farther than to most proxies."""


def body_limit(most_bytes: int, most_fields: int = MOST_FIELDS) -> Callable[[_HandlerT], _HandlerT]:
    """Marks a handler whose requests may have a body of another size than ``SMALL_BODY_BYTES``, or more fields."""

    def mark(handler: _HandlerT) -> _HandlerT:
        handler.__dict__["most_body_bytes"] = most_bytes
        handler.__dict__["most_fields"] = most_fields
        return handler

    return mark


def _limits_of(request: web.Request) -> tuple[int, int]:
    """Bytes and fields."""
    handler = request.match_info.handler
    bytes_at_most = int(getattr(handler, "most_body_bytes", SMALL_BODY_BYTES))
    return bytes_at_most, int(getattr(handler, "most_fields", MOST_FIELDS))


def check_head(request: web.Request) -> None:
    """Refuses what need not be read to be refused.

    Raises:
        Problem: 414 or 415.
    """
    if len(request.raw_path) > LONGEST_ADDRESS:
        detail = f"The address has more than {LONGEST_ADDRESS} characters; send what makes it so long in the body."
        raise Problem(414, "uri-too-long", detail)
    codings = request.headers.getall("Content-Encoding", [])
    transfers = request.headers.getall("Transfer-Encoding", [])
    compressed = any(coding.strip().lower() not in {"", "identity"} for line in codings for coding in line.split(","))
    if compressed or any(line.strip().lower() != "chunked" for line in transfers):
        raise Problem(415, "compressed-body", "Compressed bodies are not read; send the body as it is.")


@web.middleware
async def bounded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bounds a request's head and body, and the time that the body takes.

    A body that is too large is refused (413) by whoever reads it, in the words of that interface, once it has read as
    much as is allowed; nobody has to read a body to the end.
    """
    connection = connection_of(request)
    if connection is not None:
        connection.head_read(request)
    try:
        check_head(request)
        if request.body_exists:
            most_bytes, most_fields = _limits_of(request)
            request = request.clone(client_max_size=most_bytes, client_max_fields=most_fields)
        return await handler(request)
    finally:
        if connection is not None:
            connection.answered()
