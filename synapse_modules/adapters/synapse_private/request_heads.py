"""Synapse's reading of requests: what is too large or compressed is refused unread, and whom a request comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from synapse.api.errors import SynapseError
from synapse.http.site import SynapseProtocol, SynapseRequest, XForwardedForRequest

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.rules.request_limits import RequestHead

FEATURES = (
    Feature(SynapseProtocol, "allHeadersReceived"),
    Feature(SynapseProtocol, "rawDataReceived", ("data",)),
    Feature(SynapseRequest, "requestReceived", ("command", "path", "version")),
    Feature(SynapseRequest, "handleContentChunk", ("data",)),
    Feature(SynapseRequest, "_respond_with_error", ("synapse_error",)),
    Feature(XForwardedForRequest, "_process_forwarded_headers"),
)
_Channel = Any
"""A ``SynapseProtocol``; what it has of Twisted's is not typed."""
_LINGER_S = 2
_MOST_DISCARDED_BYTES = 16 * 1024 * 1024


class HeadRules(Protocol):
    """What is asked of a request before its body is read."""

    def refusal(self, head: RequestHead) -> SynapseError | None:
        """Why it is refused; None if its body may be read."""
        ...

    def most_bytes(self, head: RequestHead) -> int | None:
        """How large its body may be; None leaves Synapse's own limit."""
        ...

    def form_refusal(self, form: bytes) -> SynapseError | None:
        """Why a form is not taken apart."""
        ...

    def answer(self, head: RequestHead, refusal: SynapseError) -> bytes:
        """The whole answer, with its status line."""
        ...


class PrivateRequestHeads:
    """What no callback sees: a request of which nothing but the head has come."""

    def read_by(self, rules: HeadRules) -> None:
        """Puts the rules in front of Twisted's and Synapse's own reading."""
        protocol: Any = SynapseProtocol
        of_request: Any = SynapseRequest
        read_on, received, chunk = (
            protocol.allHeadersReceived,
            of_request.requestReceived,
            of_request.handleContentChunk,
        )

        def read_head(channel: _Channel) -> None:
            head = _head(channel)
            refusal = rules.refusal(head)
            if refusal is not None:
                _refuse(channel, rules.answer(head, refusal))
                return
            limit = rules.most_bytes(head)
            if limit is not None:
                channel.requests[-1]._max_request_body_size = limit
            read_on(channel)

        def take_apart(request: SynapseRequest, command: bytes, path: bytes, version: bytes) -> None:
            if command == b"POST" and request.content is not None and _read_head(request, path).is_form:
                request.content.seek(0)
                refusal = rules.form_refusal(request.content.read())
                if refusal is not None:
                    request.method, request.uri, request.clientproto = command, path, version
                    request._respond_with_error(refusal)
                    return
            received(request, command, path, version)

        def keep(request: SynapseRequest, data: bytes) -> None:
            try:
                chunk(request, data)
            except OSError:
                # The disk is full: what does not fit into memory cannot be taken.
                channel: _Channel = request.channel
                if channel is not None:
                    channel.forceAbortClient()

        protocol.allHeadersReceived = read_head
        of_request.requestReceived, of_request.handleContentChunk = take_apart, keep

    def believe(self, client_address: Callable[[str, str], object | None]) -> None:
        """Believes proxies alone about where a request came from; Synapse believes whoever says so first.

        Args:
            client_address: the client's by the peer's and what ``X-Forwarded-For`` says; None if nothing says it.
        """
        process = XForwardedForRequest._process_forwarded_headers

        def process_what_is_believed(request: XForwardedForRequest) -> None:
            said = b",".join(request.requestHeaders.getRawHeaders(b"x-forwarded-for", []))
            if said:
                peer = _peer(request)
                address = client_address(peer, said.decode("ascii", errors="replace"))
                if address is None or str(address) == peer:
                    request.requestHeaders.removeHeader(b"x-forwarded-for")
                else:
                    request.requestHeaders.setRawHeaders(b"x-forwarded-for", [str(address).encode()])
            process(request)

        request_class: Any = XForwardedForRequest
        request_class._process_forwarded_headers = process_what_is_believed


def _peer(request: SynapseRequest) -> str:
    return str(getattr(request.client, "host", None) or "")


def _head(channel: _Channel) -> RequestHead:
    return _read_head(channel.requests[-1], channel._path, channel.length)


def _read_head(request: SynapseRequest, address: bytes, length: int | None = 0) -> RequestHead:
    headers = request.requestHeaders

    def text(name: str) -> str:
        values = headers.getRawHeaders(name)
        return "" if not values else str(values[0])

    path, _, query = address.decode("latin-1").partition("?")
    return RequestHead(
        path=path,
        query=query,
        length=length,
        encoding=text("content-encoding"),
        content_type=text("content-type"),
        authorization=text("authorization"),
    )


def _refuse(channel: _Channel, answer: bytes) -> None:
    """Answers, and reads on for a moment: whoever is still sending would otherwise not read the answer."""
    discarded = 0

    def discard(data: bytes) -> None:
        nonlocal discarded
        discarded += len(data)
        if discarded > _MOST_DISCARDED_BYTES:
            channel.forceAbortClient()

    # What comes next on this connection is never read as a request.
    channel.length = None
    channel.rawDataReceived = discard
    channel.transport.write(answer)
    channel.setTimeout(None)
    channel.callLater(_LINGER_S, channel.forceAbortClient)
    half_close = getattr(channel.transport, "loseWriteConnection", None)
    if half_close is not None:
        half_close()
    else:
        channel.transport.loseConnection()
