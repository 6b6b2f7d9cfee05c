"""Limits of sign-ins and invitations that a stranger could fill for somebody else: counted against whoever tries."""

from __future__ import annotations

from typing import Any

from synapse.api.errors import LoginError

from messenger_core.homeserver_interface import KEY_LOGIN_TYPE
from synapse_modules.adapters.synapse_private.sign_in_limits import PrivateSignInLimits
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules.senders import failed_proof_key


class SignInLimitGate:
    """Counts by sender, where Synapse counts by whom it is tried on."""

    def __init__(self, synapse: PrivateSignInLimits) -> None:
        self._synapse = synapse

    async def validate(self, call: Call) -> Any:
        """A sign-in: nobody can guess a proof by key, so that many failures say nothing of the account that they name.

        The limit is homeserver.yaml's ``rc_login.failed_attempts``; ``rc_login.address`` bounds all attempts beside it.

        Raises:
            LimitExceededError: if the sender has failed too often.
            LoginError: if it fails.
        """
        submission = call.arguments["login_submission"]
        if submission.get("type") != KEY_LOGIN_TYPE or not call.arguments["ratelimit"]:
            return await call.go_on()
        key = failed_proof_key(self._synapse.address(), submission.get("identifier"))
        await self._synapse.check_failures(key)
        try:
            return await call.go_on(ratelimit=False)
        except LoginError:
            await self._synapse.count_failure(key)
            raise

    async def count_invitation(self, call: Call) -> Any:
        """An invitation (``rc_invites.per_user``) is counted by whoever invites and whom, both together.

        One sender cannot use up another's. Those from another server, which name no requester, are counted by it.
        """
        requester = call.arguments["requester"]
        sender = requester.user.to_string() if requester is not None else self._synapse.requester()
        return await call.go_on(invitee_user_id=f"{sender} {call.arguments['invitee_user_id']}")
