"""Says what is wrong with a body that Synapse cannot read, without repeating any of it."""

from __future__ import annotations

from synapse.api.errors import Codes, SynapseError

from synapse_modules.adapters.refusals import Refusals
from synapse_modules.rules import request_bodies
from synapse_modules.rules.room_form import FormFault


class RequestBodies:
    """The rules in place of Synapse's reading (``synapse_private.request_bodies.BodyRules``)."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    def is_readable(self, path: str, body: object, *, has_escapes: bool) -> bool:
        """Whether a body has the form that Synapse relies on."""
        return request_bodies.is_readable(path, body) and (not has_escapes or request_bodies.is_text(body))

    def not_json(self) -> SynapseError:
        """What somebody is told whose body is no JSON."""
        return SynapseError(400, self.not_readable().msg, Codes.NOT_JSON)

    def not_readable(self) -> SynapseError:
        """What somebody is told whose body has another form."""
        return self._refusals.error(FormFault.NOT_READABLE)
