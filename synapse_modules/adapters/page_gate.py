"""Synapse's pages for browsers: with which policy they are shown, and where a sign-in may lead back to."""

from __future__ import annotations

from typing import Any

from synapse.api.errors import Codes, SynapseError

from messenger_core.catalogue import Catalogue
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules.pages import WITHOUT_SCRIPTS, policy_of
from synapse_modules.rules.return_addresses import is_return_address

_POLICY = "Content-Security-Policy"


class PageGate:
    """Stands in front of what Synapse writes for browsers; its own policy forbids frames alone."""

    def __init__(self, texts: Catalogue) -> None:
        self._texts = texts

    def respond(self, call: Call) -> None:
        """A page that Synapse has put together."""
        asked = call.arguments
        asked["request"].responseHeaders.setRawHeaders(_POLICY, [policy_of(asked["html_bytes"])])
        call.go_on_at_once()

    def protect(self, call: Call) -> None:
        """A page that Synapse reads from a file, or whose policy stands already."""
        headers = call.arguments["request"].responseHeaders
        headers.setRawHeaders("X-Frame-Options", ["DENY"])
        if not headers.hasHeader(_POLICY):
            headers.setRawHeaders(_POLICY, [WITHOUT_SCRIPTS])

    async def check_return_address(self, call: Call) -> Any:
        """A sign-in is begun, its provider chosen, or it ends.

        Raises:
            SynapseError: if it would lead back to an address that is none of a client's.
        """
        address = call.arguments["client_redirect_url"]
        if isinstance(address, bytes):
            address = address.decode("utf-8", errors="replace")
        if not is_return_address(address):
            raise SynapseError(400, self._texts.line("return-address-refused"), Codes.INVALID_PARAM)
        return await call.go_on()
