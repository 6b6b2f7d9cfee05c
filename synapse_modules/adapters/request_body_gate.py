"""Reads what clients send before Synapse does: what Synapse cannot read is told so, is no fault, and is not logged."""

from __future__ import annotations

from typing import Any

from synapse.api.constants import EventTypes
from synapse.api.errors import Codes, SynapseError
from synapse.util.json import json_decoder

from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules import request_bodies
from synapse_modules.rules.room_form import FormFault


class RequestBodyGate:
    """Stands in place of Synapse's reading of JSON; a refusal repeats nothing of a body."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    def read(self, call: Call) -> Any:
        """A body; Synapse's own reading writes every one that is no JSON into the log, so it is never asked.

        Raises:
            SynapseError: if it is no JSON, or has not the form that Synapse relies on.
        """
        request = call.arguments["request"]
        raw = request.content.read() if request.content else b""
        if not raw and call.arguments["allow_empty_body"]:
            return None
        try:
            body = json_decoder.decode(raw.decode("utf-8"))
        except (ValueError, RecursionError):
            raise SynapseError(400, self._not_readable().msg, Codes.NOT_JSON) from None
        path = request.path.decode("utf-8", errors="replace")
        # Only letters that JSON names by number can be ones that no text has.
        if not request_bodies.is_readable(path, body) or (b"\\u" in raw and not request_bodies.is_text(body)):
            raise self._not_readable()
        return body

    async def check_redaction(self, call: Call) -> Any:
        """Synapse asks whether a deletion is an administrator's.

        Raises:
            SynapseError: if it names no event.
        """
        if call.arguments["event_type"] == EventTypes.Redaction and not isinstance(call.arguments["redacts"], str):
            raise self._not_readable()
        return await call.go_on()

    def _not_readable(self) -> SynapseError:
        return self._refusals.error(FormFault.NOT_READABLE)
