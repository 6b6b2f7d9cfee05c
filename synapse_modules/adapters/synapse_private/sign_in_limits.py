"""Synapse's limits of sign-ins and invitations that a stranger could fill for somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synapse.api.errors import LoginError
from synapse.api.ratelimiting import Ratelimiter
from synapse.handlers.auth import AuthHandler
from synapse.handlers.room_member import RoomMemberHandler
from synapse.logging.context import current_context
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(AuthHandler, "validate_login", ("login_submission", "ratelimit", "is_reauth")),
    Feature(RoomMemberHandler, "ratelimit_invite", ("requester", "room_id", "invitee_user_id")),
)


class PrivateSignInLimits:
    """Counts against whoever tries, where Synapse counts against whom it is tried on."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def count_failed_proofs_by(self, login_type: str, key_of: Callable[[str, object], str]) -> None:
        """Counts failed sign-ins of a type by their sender; Synapse's counter goes by the account that they name.

        The limit is homeserver.yaml's ``rc_login.failed_attempts``; ``rc_login.address`` bounds all attempts beside it.

        Args:
            login_type: whose proofs nobody can guess, so that many failures say nothing of the account.
            key_of: what is counted together, by the sender's address and the ``identifier`` that she names.
        """
        limiter = Ratelimiter(
            store=self._hs.get_datastores().main,
            clock=self._hs.get_clock(),
            cfg=self._hs.config.ratelimiting.rc_login_failed_attempts,
        )

        async def validate(call: Call) -> Any:
            submission = call.arguments["login_submission"]
            if submission.get("type") != login_type or not call.arguments["ratelimit"]:
                return await call.go_on()
            request = current_context().request
            key = key_of(request.ip_address if request is not None else "", submission.get("identifier"))
            await limiter.ratelimit(None, key, update=False)
            try:
                return await call.go_on(ratelimit=False)
            except LoginError:
                await limiter.can_do_action(None, key)
                raise

        put_in_front(self._hs.get_auth_handler(), "validate_login", validate)

    def count_invitations_by_both(self) -> None:
        """Counts invitations (``rc_invites.per_user``) by whoever invites and whom: one sender cannot use up another's.

        Invitations from another server, which name no requester, are counted by that server.
        """

        async def limited(call: Call) -> Any:
            requester = call.arguments["requester"]
            request = current_context().request
            sender = requester.user.to_string() if requester is not None else request and request.requester
            return await call.go_on(invitee_user_id=f"{sender} {call.arguments['invitee_user_id']}")

        put_in_front(self._hs.get_room_member_handler(), "ratelimit_invite", limited)
