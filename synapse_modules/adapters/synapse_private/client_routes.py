"""Synapse's resource for ``/_matrix/client``, below which no module can put a page of its own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from synapse import rest
from synapse.http.server import HttpServer
from synapse.http.site import SynapseRequest
from synapse.rest import ClientRestResource
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (Feature(ClientRestResource, "register_servlets", ("client_resource", "hs", "servlet_groups")),)
_GROUP = "client"
Answer = Callable[[SynapseRequest], Awaitable[tuple[int, dict[str, Any]]]]
"""The status and the JSON of an answer; headers are set on the request."""


class PrivateClientRoutes:
    """What ``register_web_resource`` cannot do: that resource answers everything below it by itself."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def add(self, method: str, paths: tuple[str, ...], answer: Answer) -> None:
        """Answers paths in every process that answers clients; before any of them listens.

        Args:
            method: of HTTP.
            paths: whole, as clients call them.
            answer: makes the answer.
        """
        patterns = [re.compile(f"^{re.escape(path)}$") for path in paths]

        def register(hs: HomeServer, resource: HttpServer) -> None:
            if hs is self._hs:
                resource.register_paths(method, patterns, answer, type(self).__name__)

        rest.SERVLET_GROUPS[_GROUP] = (*rest.SERVLET_GROUPS[_GROUP], register)
