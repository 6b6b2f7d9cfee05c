"""Synapse's ``/.well-known/matrix``: one more page below it."""

from __future__ import annotations

import sys

from synapse.app import homeserver
from synapse.rest.well_known import ClientWellKnownResource
from synapse.server import HomeServer
from twisted.web.resource import Resource

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (
    Feature(ClientWellKnownResource, "_async_render_GET", ("request",)),
    Feature(homeserver, "well_known_resource", ("hs",)),
)


class PrivateWellKnown:
    """What ``register_web_resource`` cannot do: it would take the place of Synapse's own pages there."""

    def add(self, name: str, page: Resource) -> None:
        """Serves a page as ``/.well-known/matrix/NAME`` wherever Synapse serves its own; before it listens."""
        make = homeserver.well_known_resource  # type: ignore[attr-defined]

        def with_page(hs: HomeServer) -> Resource:
            tree = make(hs)
            tree.children[b"matrix"].putChild(name.encode(), page)
            return tree

        # Started with "python -m", the program is a module of its own beside the one of its name.
        for program in (homeserver, sys.modules["__main__"]):
            if hasattr(program, "well_known_resource"):
                setattr(program, "well_known_resource", with_page)  # noqa: B010 - of whichever module it is
