"""Bounds the connections of a server: how many by address and in all, and how long a request may take to arrive.

A server that is full ends the oldest connection that waits for its client, so that whoever sends a whole request at
once (a load balancer that asks for ``/health``) is answered while others hold theirs open.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

from aiohttp import StreamReader, web

from messenger_core.client_address import LOOPBACK, Network, group_of, is_trusted, read_address
from messenger_core.log import fault_without_text

logger = logging.getLogger(__name__)

IDLE_S = 75.0
"""A connection without a request; longer than the minute that reverse proxies keep theirs."""
_MOST_DESCRIPTORS = 65_536
_HEAD_DUE_S = 1.0
"""Whoever sends a whole request has sent its head by then."""
_SWEEP_S = 1.0
_TOLD_EVERY_S = 60.0


class BodyTooSlow(web.RequestPayloadError):
    """A request's body did not arrive in time."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one server bears.

    Attributes:
        in_all: connections at once.
        by_address: of one address (one IPv6 network of 64 bits); trusted proxies speak for many and are exempt.
        head_s: from the first byte of a request, or from the connection's start, to the end of its headers.
        body_s: from there to the end of the body.
        unread_s: for how long a client may leave an answer unread.
        backlog: connections that may wait to be accepted.
    """

    in_all: int = 1_000
    by_address: int = 100
    head_s: float = 10.0
    body_s: float = 30.0
    unread_s: float = 30.0
    backlog: int = 128

    @classmethod
    def within(cls, descriptors: int) -> ConnectionLimits:
        """The limits where a process may have so many files and connections open.

        A quarter stays free for databases, files and calls to others, another one for what is accepted at once.
        """
        usual = cls()
        return cls(
            in_all=max(1, min(usual.in_all, descriptors // 2)),
            backlog=max(1, min(usual.backlog, descriptors // 4)),
        )


def raise_descriptor_limit() -> int:
    """Lets the process open as many files and connections as it is allowed to; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


class Connections:
    """The open connections of one server, by what is waited for."""

    def __init__(self, limits: ConnectionLimits, trusted: Sequence[Network] = LOOPBACK) -> None:
        self._limits = limits
        self._trusted = trusted
        self._open: set[Connection] = set()
        self._by_group: Counter[str] = Counter()
        # Each oldest first.
        self._idle: dict[Connection, float] = {}
        self._heads: dict[Connection, float] = {}
        self._bodies: dict[Connection, tuple[float, StreamReader]] = {}
        self._unread: dict[Connection, float] = {}
        self._ended: Counter[str] = Counter()
        self._told_at = 0.0
        self._sweeping: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    @property
    def ended(self) -> Mapping[str, int]:
        """How many connections were ended by us, by reason."""
        return self._ended

    def admit(self, connection: Connection, peer: str) -> bool:
        """Takes a new connection; False if there is no room for it."""
        address = read_address(peer)
        connection.group = None if is_trusted(address, self._trusted) else group_of(address)
        if connection.group is not None and self._by_group[connection.group] >= self._limits.by_address:
            self._ended["too many of one address"] += 1
            return False
        if len(self._open) >= self._limits.in_all and not self._make_room():
            self._ended["too many in all"] += 1
            return False
        self._open.add(connection)
        if connection.group is not None:
            self._by_group[connection.group] += 1
        self._heads[connection] = _now()
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)
        return True

    def forget(self, connection: Connection) -> None:
        """A connection has ended."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._forget_waits(connection)
        self._unread.pop(connection, None)
        if connection.group is not None:
            self._by_group[connection.group] -= 1
            if not self._by_group[connection.group]:
                del self._by_group[connection.group]

    def first_bytes(self, connection: Connection) -> None:
        """Bytes came on a connection; on an idle one, a request's head begins."""
        if self._idle.pop(connection, None) is not None:
            self._heads[connection] = _now()

    def head_read(self, connection: Connection, body: StreamReader | None) -> None:
        """A request's headers are complete; its body is to come, if it has one."""
        self._forget_waits(connection)
        if body is not None and not body.is_eof():
            self._bodies[connection] = (_now(), body)

    def answered(self, connection: Connection) -> None:
        """A request is answered; the next one may come, or not."""
        self._forget_waits(connection)
        if connection in self._open:
            self._idle[connection] = _now()

    def unread(self, connection: Connection, *, is_unread: bool) -> None:
        """A client does not read what is sent, or reads again."""
        if is_unread and connection in self._open:
            self._unread[connection] = _now()
        else:
            self._unread.pop(connection, None)

    def _forget_waits(self, connection: Connection) -> None:
        self._idle.pop(connection, None)
        self._heads.pop(connection, None)
        self._bodies.pop(connection, None)

    def _make_room(self) -> bool:
        """Ends one that waits: half a head that is due for long, an idle one, any half head, or half a body."""
        due = (one for one, since in self._heads.items() if since <= _now() - _HEAD_DUE_S)
        idle = (one for one in self._idle if not one.is_sending)
        bodies = (one for one, (_, body) in self._bodies.items() if not body.is_eof())
        waiting = next(chain(due, idle, self._heads, bodies), None)
        if waiting is not None:
            self._end(waiting, "to make room")
        return waiting is not None

    def _end(self, connection: Connection, reason: str) -> None:
        self._ended[reason] += 1
        self.forget(connection)
        connection.abort()

    def _sweep(self) -> None:
        """Ends what has waited for too long."""
        now, limits = _now(), self._limits
        for connection in _older(self._heads, now - limits.head_s):
            self._end(connection, "no whole head in time")
        for connection, (since, body) in list(self._bodies.items()):
            if since > now - limits.body_s:
                break
            del self._bodies[connection]
            if not body.is_eof():
                self._ended["no whole body in time"] += 1
                body.set_exception(BodyTooSlow())
        for connection in _older(self._unread, now - limits.unread_s):
            self._end(connection, "answer not read in time")
        for connection in _older(self._idle, now - IDLE_S):
            self._end(connection, "idle")
        self._tell(now)
        loop = asyncio.get_running_loop()
        self._sweeping = loop.call_later(_SWEEP_S, self._sweep) if self._open else None

    def _tell(self, now: float) -> None:
        """One line a minute, whatever happens: an attack fills no disk."""
        ended = {reason: count for reason, count in self._ended.items() if reason != "idle"}
        if ended and now - self._told_at >= _TOLD_EVERY_S:
            self._told_at = now
            logger.warning("connections ended so far: %s", ", ".join(f"{reason}: {n}" for reason, n in ended.items()))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _older(waiting: Mapping[Connection, float], than: float) -> list[Connection]:
    found = []
    for connection, since in waiting.items():
        if since > than:
            break
        found.append(connection)
    return found


class Connection(asyncio.Protocol):
    """Stands between a transport and aiohttp's handler of it, and tells what it sees.

    Attributes:
        group: what the connection is counted as; None for a trusted proxy.
    """

    def __init__(self, server: web.Server, connections: Connections) -> None:
        self.group: str | None = None
        self._server = server
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._handler: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hands an admitted connection on; another one is ended before anything is made for it."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if not self._connections.admit(self, str(peer[0]) if peer else ""):
            self._transport.abort()
            return
        self._handler = cast("asyncio.Protocol", self._server())
        self._handler.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Passed on."""
        self._connections.forget(self)
        if self._handler is not None:
            self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Passed on."""
        if self._handler is not None:
            self._connections.first_bytes(self)
            self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        """Passed on."""
        return self._handler.eof_received() if self._handler is not None else None

    def pause_writing(self) -> None:
        """Passed on."""
        self._connections.unread(self, is_unread=True)
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Passed on."""
        self._connections.unread(self, is_unread=False)
        if self._handler is not None:
            self._handler.resume_writing()

    @property
    def is_sending(self) -> bool:
        """Whether a part of an answer has not left yet."""
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    def abort(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def head_read(self, request: web.Request) -> None:
        """A request's headers are complete."""
        self._connections.head_read(self, request.content if request.body_exists else None)

    def answered(self) -> None:
        """A request is answered."""
        self._connections.answered(self)


def connection_of(request: web.Request) -> Connection | None:
    """The connection that a request came on, if its server bounds them."""
    transport = request.transport
    protocol = transport.get_protocol() if transport is not None else None
    return protocol if isinstance(protocol, Connection) else None


class BoundedRunner(web.AppRunner):
    """What serves an application over bounded connections; all sites of a runner share them.

    Attributes:
        connections: the open ones.
    """

    def __init__(self, app: web.Application, connections: Connections, **more: Any) -> None:
        super().__init__(app, keepalive_timeout=IDLE_S, **more)
        self.connections = connections

    @property
    def server(self) -> web.Server | None:
        """What makes the protocol of each connection, as sites ask for it."""
        server = super().server
        if server is None:
            return None
        return cast("web.Server", lambda: Connection(server, self.connections))


def quiet_exception_handler() -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """What an event loop does with faults that nobody waits for: one line without texts, and no flood of them.

    Without descriptors left, asyncio would write a traceback for each connection that it cannot accept.
    """
    told: dict[str, float] = {}

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        fault, what = context.get("exception"), str(context.get("message", "a fault"))
        where = fault_without_text(fault) if isinstance(fault, BaseException) else "no exception"
        kind = f"{type(fault).__name__} {getattr(fault, 'errno', '')}"
        if loop.time() - told.get(kind, -_TOLD_EVERY_S) >= _TOLD_EVERY_S:
            told[kind] = loop.time()
            # asyncio's own messages are constants; what follows a colon may be made of values.
            logger.error("%s: %s", what.partition(":")[0][:80], where)

    return handle
