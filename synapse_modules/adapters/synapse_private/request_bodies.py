"""Synapse's reading of what clients send: what it cannot read is told so, is no fault of its own, and is not logged."""

from __future__ import annotations

from typing import Any, Protocol

from synapse.api.constants import EventTypes
from synapse.api.errors import SynapseError
from synapse.handlers.message import EventCreationHandler
from synapse.http import servlet
from synapse.server import HomeServer
from synapse.util.json import json_decoder
from twisted.web.server import Request

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(servlet, "parse_json_value_from_request", ("request", "allow_empty_body")),
    Feature(EventCreationHandler, "is_admin_redaction", ("event_type", "sender", "redacts")),
)


class BodyRules(Protocol):
    """What is asked of a body before Synapse reads it."""

    def is_readable(self, path: str, body: object, *, has_escapes: bool) -> bool:
        """Whether a body has the form that Synapse relies on; ``has_escapes`` if its JSON names letters by number."""
        ...

    def not_json(self) -> SynapseError:
        """What somebody is told whose body is no JSON."""
        ...

    def not_readable(self) -> SynapseError:
        """What somebody is told whose body has another form."""
        ...


class PrivateRequestBodies:
    """What no callback sees: a body before it is used."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def read_by(self, rules: BodyRules) -> None:
        """Puts rules in place of Synapse's own reading, which writes every body that is no JSON into the log."""

        def read(request: Request, allow_empty_body: bool = False) -> Any:
            raw = request.content.read() if request.content else b""
            if not raw and allow_empty_body:
                return None
            try:
                body = json_decoder.decode(raw.decode("utf-8"))
            except (ValueError, RecursionError):
                raise rules.not_json() from None
            path = request.path.decode("utf-8", errors="replace")
            if not rules.is_readable(path, body, has_escapes=b"\\u" in raw):
                raise rules.not_readable()
            return body

        async def tell_whether_admin(call: Call) -> Any:
            if call.arguments["event_type"] == EventTypes.Redaction and not isinstance(call.arguments["redacts"], str):
                raise rules.not_readable()
            return await call.go_on()

        servlet.parse_json_value_from_request = read
        put_in_front(self._hs.get_event_creation_handler(), "is_admin_redaction", tell_whether_admin)
