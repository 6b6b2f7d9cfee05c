"""Synapse's connections: how many there are, and how long each may take to say what it wants."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from synapse.http.site import SynapseProtocol, SynapseSite
from synapse.server import HomeServer
from synapse.util.duration import Duration
from twisted.internet.interfaces import IAddress

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.rules.request_limits import IDLE_S, Phase, is_overdue

FEATURES = (
    Feature(SynapseSite, "buildProtocol", ("addr",)),
    Feature(SynapseSite, "addConnection", ("protocol",)),
    Feature(SynapseSite, "removeConnection", ("protocol",)),
    Feature(SynapseProtocol, "setTimeout", ("period",)),
    Feature(SynapseProtocol, "forceAbortClient"),
    Feature(SynapseProtocol, "lineReceived", ("line",)),
    Feature(SynapseProtocol, "rawDataReceived", ("data",)),
)
_Channel = Any
"""A ``SynapseProtocol``; what it has of Twisted's is not typed."""
_LOOK_EVERY = Duration(seconds=1)
_FEWEST = 64
# For the database, files, logs and calls to others.
_OTHER_DESCRIPTORS = 128
_PART_TO_END = 10


@dataclass(slots=True)
class _Progress:
    """What a connection was found doing, and since when."""

    phase: Phase
    request: object
    since_s: float


class PrivateConnections:
    """All connections of this process, over all of its listeners.

    Synapse itself waits for ever for what was begun, and takes as many as there are descriptors.
    """

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs
        self._clock = hs.get_clock()
        self._progress: dict[_Channel, _Progress] = {}
        self._by_sender: Counter[str] = Counter()

    def limit(self, *, most: int, most_by_sender: int, sender_of: Callable[[str], str | None]) -> None:
        """Ends what takes too long, makes room for the next when all places are taken, and refuses one sender's rest.

        Args:
            most: connections in all; fewer if the process has not got the descriptors.
            most_by_sender: connections that one sender may have.
            sender_of: whose an address is; None for a proxy, which brings many people.
        """
        build, add, remove = SynapseSite.buildProtocol, SynapseSite.addConnection, SynapseSite.removeConnection

        def build_if_there_is_room(site: SynapseSite, addr: IAddress | None) -> _Channel | None:
            sender = sender_of(_host(addr))
            if sender is not None and self._by_sender[sender] >= most_by_sender:
                return None
            places = self._places(most)
            if len(self._progress) >= places:
                self._make_room(places)
            # None closes the connection at once, without a word in the log.
            return build(site, addr) if len(self._progress) < places else None

        def add_one(site: SynapseSite, protocol: _Channel) -> None:
            add(site, protocol)
            self._progress[protocol] = _Progress(Phase.IDLE, None, self._clock.time())
            if (sender := sender_of(_peer(protocol))) is not None:
                self._by_sender[sender] += 1

        def remove_one(site: SynapseSite, protocol: _Channel) -> None:
            remove(site, protocol)
            if self._progress.pop(protocol, None) is None:
                return
            if (sender := sender_of(_peer(protocol))) is not None:
                self._by_sender[sender] -= 1
                if self._by_sender[sender] <= 0:
                    del self._by_sender[sender]

        site: Any = SynapseSite
        site.buildProtocol, site.addConnection, site.removeConnection = build_if_there_is_room, add_one, remove_one
        # Twisted ends a connection on which nothing comes for so long, but not one on which something drips.
        SynapseProtocol.timeOut = IDLE_S
        self._clock.looping_call(self._end_what_takes_too_long, _LOOK_EVERY)

    @staticmethod
    def _places(most: int) -> int:
        """How many connections there may be: each may need another descriptor for its body."""
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return max(_FEWEST, min(most, (descriptors - _OTHER_DESCRIPTORS) // 2))

    async def _end_what_takes_too_long(self) -> None:
        self._look()
        now_s = self._clock.time()
        for protocol, progress in list(self._progress.items()):
            if is_overdue(progress.phase, now_s - progress.since_s, _received_bytes(protocol)):
                protocol.forceAbortClient()

    def _make_room(self, places: int) -> None:
        """Ends those that have been waited for longest; never one whose answer is on its way."""
        self._look()
        waiting = [
            (progress.phase is Phase.IDLE, progress.since_s, number, protocol)
            for number, (protocol, progress) in enumerate(self._progress.items())
            if progress.phase is not Phase.ANSWER
        ]
        for _, _, _, protocol in sorted(waiting)[: max(1, places // _PART_TO_END)]:
            protocol.forceAbortClient()
            # Its end is told in the next turn only, and its place is needed now.
            protocol.site.removeConnection(protocol)

    def _look(self) -> None:
        """Notes what each connection is doing now."""
        now_s = self._clock.time()
        for protocol, progress in self._progress.items():
            phase, request = _doing(protocol)
            if phase is not progress.phase or request is not progress.request:
                progress.phase, progress.request, progress.since_s = phase, request, now_s


def _doing(protocol: _Channel) -> tuple[Phase, object]:
    """What a connection is doing, and for which request."""
    if protocol._handlingRequest:
        return Phase.ANSWER, None
    if protocol.requests:
        request = protocol.requests[-1]
        return (Phase.HEAD if protocol.line_mode else Phase.BODY), request
    return (Phase.HEAD if protocol._buffer else Phase.IDLE), None


def _received_bytes(protocol: _Channel) -> int:
    content = protocol.requests[-1].content if protocol.requests else None
    return 0 if content is None or content.closed else content.tell()


def _host(address: IAddress | None) -> str:
    return str(getattr(address, "host", None) or "")


def _peer(protocol: _Channel) -> str:
    return _host(protocol.transport.getPeer() if protocol.transport is not None else None)
