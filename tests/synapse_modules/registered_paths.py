"""A Synapse module for tests: tells which paths the process that it runs in answers, from its own resource tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from synapse.http.server import JsonResource, respond_with_json
from synapse.http.site import SynapseRequest
from synapse.module_api import DirectServeJsonResource, ModuleApi
from twisted.web.resource import Resource

PATH = "/_synapse/client/registered-paths"


class RegisteredPaths:
    """Answers ``[{"pattern", "methods"}]`` at ``PATH``; a pattern without methods is a page of its own."""

    def __init__(self, _config: object, api: ModuleApi) -> None:
        api.register_web_resource(PATH, _Listing(clock=api._hs.get_clock()))

    @staticmethod
    def parse_config(config: object) -> object:
        """There is nothing to be set."""
        return config


class _Listing(DirectServeJsonResource):
    isLeaf = True  # noqa: N815 - Twisted's name

    async def _async_render_GET(self, request: SynapseRequest) -> None:  # noqa: N802 - Synapse's name
        channel: Any = request.channel
        respond_with_json(request, 200, list(_paths(channel.site.resource, "")))


def _paths(resource: Any, at: str) -> Iterator[dict[str, Any]]:
    """Synapse wraps resources for compression and the like; what is wrapped lies in ``_original``."""
    resource = getattr(resource, "_original", resource)
    if isinstance(resource, JsonResource):
        for pattern, methods in resource._routes.items():
            yield {"pattern": pattern.pattern, "methods": sorted(method.decode() for method in methods)}
        return
    children: dict[bytes, Resource] = getattr(resource, "children", {})
    if getattr(resource, "isLeaf", False) or not children:
        yield {"pattern": at, "methods": []}
    for name, child in children.items():
        yield from _paths(child, f"{at}/{name.decode()}")
