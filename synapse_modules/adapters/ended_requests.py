"""Has people forget requests for a chat that came to nothing, so that Synapse purges them (A_28564)."""

from __future__ import annotations

from datetime import timedelta

from messenger_core.clock import present_ms
from synapse_modules.adapters.rounds import for_each
from synapse_modules.adapters.synapse_private.memberships import PrivateMemberships
from synapse_modules.store.ended_requests import EndedRequests

_AT_ONCE = 500


class EndedRequestsWork:
    """Runs on the main process; every step can be interrupted and is found again.

    Nothing was ever written in such a room: what is left of it is that somebody once asked a certain practice.
    """

    def __init__(self, requests: EndedRequests, synapse: PrivateMemberships, *, kept_for: timedelta) -> None:
        """Makes it.

        Args:
            requests: the requests.
            synapse: forgets rooms.
            kept_for: how long after they left people's devices can still learn that the request has ended.
        """
        self._requests = requests
        self._synapse = synapse
        self._kept_for = kept_for

    async def forget_ended(self) -> None:
        """One round."""
        left_before = present_ms() - self._kept_for // timedelta(milliseconds=1)
        await for_each(
            await self._requests.remembered(left_before=left_before, limit=_AT_ONCE),
            lambda one: self._synapse.forget(user_id=one[1], room_id=one[0]),
            otherwise="a request that has ended could not be forgotten yet",
        )
