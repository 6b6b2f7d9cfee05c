"""``/.well-known/matrix/support``: whom operators of other servers turn to (Matrix 1.11; gematik's A_26265)."""

from __future__ import annotations

from typing import Any

from synapse.http.site import SynapseRequest
from synapse.module_api import DirectServeJsonResource
from synapse.util.clock import Clock

from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.federation_settings import SupportSettings


class SupportContact(DirectServeJsonResource):
    """Answers everybody, and GET alone."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, settings: SupportSettings, clock: Clock) -> None:
        super().__init__(clock=clock)
        contact = {"role": "m.role.admin", "email_address": settings.email_address}
        security = {"role": "m.role.security", "email_address": settings.email_address}
        self._content: dict[str, Any] = {"contacts": [contact, security]}
        if settings.page is not None:
            self._content["support_page"] = settings.page

    async def _async_render_GET(self, _request: SynapseRequest) -> tuple[int, dict[str, Any]]:  # noqa: N802
        return 200, self._content


class WellKnownGate:
    """Adds a page below ``/.well-known/matrix`` wherever Synapse serves its own, before it listens.

    ``register_web_resource`` would take the place of Synapse's own pages there.
    """

    def __init__(self, contact: SupportContact) -> None:
        self._contact = contact

    def add_support(self, call: Call) -> Any:
        """Synapse makes its pages."""
        tree = call.go_on_at_once()
        tree.children[b"matrix"].putChild(b"support", self._contact)
        return tree
