"""Reads what other servers send of rooms, and says what is wrong with it without repeating any of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synapse.api.errors import SynapseError

from synapse_modules.adapters.refusals import Refusals
from synapse_modules.rules import event_form
from synapse_modules.rules.room_form import FormFault


class FederationForms:
    """The rules that stand in front of Synapse's reading (``synapse_private.federated_forms.FormRules``)."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    def is_plain(self, event: Mapping[str, Any]) -> bool:
        """Whether an event says nothing beside what its room's version has keys for."""
        return event_form.is_plain(event)

    def without_notes(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """An event without what any server on the way may have written beside it."""
        return event_form.without_notes(event)

    def shown_before_joining(self, state: object, inviter: str) -> list[dict[str, Any]]:
        """What of the state that comes with an invitation is shown to the invited side."""
        return event_form.shown_before_joining(state, inviter)

    def read_invitation(self, content: object) -> dict[str, Any]:
        """What is taken of a request that invites.

        Raises:
            SynapseError: if it cannot be read, or says more than an invitation.
        """
        return self._readable(event_form.invitation(content))

    def read_membership(self, content: object) -> dict[str, Any]:
        """What is taken of a request with a membership in a room of ours.

        Raises:
            SynapseError: if it cannot be read, or says more than a membership.
        """
        return self._readable(event_form.membership(content))

    def check_question(self, content: Mapping[str, Any]) -> None:
        """Called before a question for missed events is answered.

        Raises:
            SynapseError: if it cannot be read.
        """
        if not event_form.asks_for_events(content):
            raise self.unreadable()

    def read_transaction(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """What is taken of a transaction: that of it which can be read.

        Raises:
            SynapseError: if nothing of it can.
        """
        return self._readable(event_form.transaction(content))

    def own_membership(self, answer: object, room_id: str, user_id: str, membership: str) -> dict[str, Any] | None:
        """The answer with a template for somebody's own membership event, none of it the other server's word."""
        return event_form.own_membership(answer, room_id=room_id, user_id=user_id, membership=membership)

    def unreadable(self) -> SynapseError:
        """What a server is told whose request cannot be read."""
        return self._refusals.error(FormFault.NOT_READABLE)

    def _readable(self, read: dict[str, Any] | None) -> dict[str, Any]:
        if read is None:
            raise self.unreadable()
        return read
