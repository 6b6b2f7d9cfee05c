"""Synapse's pages for browsers: with which policy they are shown, and where a sign-in may lead back to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synapse.api.errors import Codes, SynapseError
from synapse.handlers.auth import AuthHandler
from synapse.handlers.sso import SsoHandler
from synapse.http import server
from synapse.rest.synapse.client.pick_idp import PickIdpResource
from synapse.server import HomeServer
from twisted.web.server import Request

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(server, "respond_with_html_bytes", ("request", "code", "html_bytes")),
    Feature(server, "set_clickjacking_protection_headers", ("request",)),
    Feature(SsoHandler, "handle_redirect_request", ("request", "client_redirect_url", "idp_id")),
    Feature(PickIdpResource, "_serve_id_picker", ("request", "client_redirect_url")),
    Feature(AuthHandler, "complete_sso_login", ("client_redirect_url",)),
)
_POLICY = "Content-Security-Policy"


class PrivatePages:
    """What the public module API does not let a module say of pages that Synapse shows."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def show_with(self, policy_of: Callable[[bytes], bytes], otherwise: bytes) -> None:
        """Shows every page with a policy; Synapse's own forbids frames alone.

        Args:
            policy_of: the ``Content-Security-Policy`` of a page.
            otherwise: that of pages that Synapse reads from a file.
        """
        respond = server.respond_with_html_bytes

        def respond_with_policy(request: Request, code: int, html_bytes: bytes) -> None:
            request.responseHeaders.setRawHeaders(_POLICY, [policy_of(html_bytes)])
            respond(request, code, html_bytes)

        def protect(request: Request) -> None:
            request.responseHeaders.setRawHeaders("X-Frame-Options", ["DENY"])
            if not request.responseHeaders.hasHeader(_POLICY):
                request.responseHeaders.setRawHeaders(_POLICY, [otherwise])

        server.respond_with_html_bytes = respond_with_policy
        server.set_clickjacking_protection_headers = protect

    def return_only_to(self, allowed: Callable[[str], bool], refusal: str) -> None:
        """Refuses a sign-in that would lead back to another address: when it is begun, chosen, and when it ends.

        Args:
            allowed: whether a client may be returned to at an address.
            refusal: the text of the refusal.
        """

        async def check(call: Call) -> Any:
            address = call.arguments["client_redirect_url"]
            if isinstance(address, bytes):
                address = address.decode("utf-8", errors="replace")
            if not allowed(address):
                raise SynapseError(400, refusal, Codes.INVALID_PARAM)
            return await call.go_on()

        put_in_front(self._hs.get_sso_handler(), "handle_redirect_request", check)
        put_in_front(PickIdpResource, "_serve_id_picker", check)
        put_in_front(self._hs.get_auth_handler(), "complete_sso_login", check)
