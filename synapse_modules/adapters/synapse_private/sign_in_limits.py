"""Synapse's counter of failed sign-ins, and whom the request that is answered now comes from."""

from __future__ import annotations

from synapse.api.ratelimiting import Ratelimiter
from synapse.logging.context import current_context
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (
    Feature(Ratelimiter, "can_do_action", ("requester", "key")),
    Feature(Ratelimiter, "ratelimit", ("requester", "key", "update")),
)


class PrivateSignInLimits:
    """Counts by keys of ours with the limits of homeserver.yaml."""

    def __init__(self, hs: HomeServer) -> None:
        self._failures = Ratelimiter(
            store=hs.get_datastores().main,
            clock=hs.get_clock(),
            cfg=hs.config.ratelimiting.rc_login_failed_attempts,
        )

    async def check_failures(self, key: str) -> None:
        """Counts nothing.

        Raises:
            LimitExceededError: if there were too many failures (``rc_login.failed_attempts``).
        """
        await self._failures.ratelimit(None, key, update=False)

    async def count_failure(self, key: str) -> None:
        """Counts one failure."""
        await self._failures.can_do_action(None, key)

    def address(self) -> str:
        """Where the request that is answered now comes from; empty if there is none."""
        request = current_context().request
        return request.ip_address if request is not None else ""

    def requester(self) -> str | None:
        """Who sent it, as Synapse notes it; a server's name for another server."""
        request = current_context().request
        return request.requester if request is not None else None
