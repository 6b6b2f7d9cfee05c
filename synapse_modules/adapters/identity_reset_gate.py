"""A client of the OAuth API replaces its person's cross-signing identity only after she approved it on her page."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from canonicaljson import encode_canonical_json
from synapse.api.errors import InteractiveAuthIncompleteError

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.clock import Clock
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules.oauth.account_actions import AccountAction
from synapse_modules.store.identity_resets import IdentityReset, IdentityResets
from synapse_modules.store.oauth_sessions import OAuthSessions

APPROVAL_LIFETIME = timedelta(minutes=10)
_UPLOAD = "/keys/device_signing/upload"
# Today's name of the stage, and the one of before Matrix 1.17 that clients still look for.
_STAGES = ("m.oauth", "org.matrix.cross_signing_reset")


class IdentityResetGate:
    """Stands in front of Synapse's confirmation by a sign-in, which clients of the OAuth API cannot walk through."""

    def __init__(self, sessions: OAuthSessions, resets: IdentityResets, *, account_page: str, clock: Clock) -> None:
        self._sessions = sessions
        self._resets = resets
        self._account_page = account_page
        self._clock = clock

    async def confirm(self, call: Call) -> Any:
        """Keys that exist already are to be replaced; for clients with m.login.sso Synapse asks as it did.

        Raises:
            InteractiveAuthIncompleteError: with the page on which the person approves this device and these keys.
        """
        requester, request = call.arguments["requester"], call.arguments["request"]
        user_id, device_id = requester.user.to_string(), requester.device_id
        if not request.path.decode("utf-8", errors="replace").endswith(_UPLOAD) or device_id is None:
            return await call.go_on()
        if await self._sessions.find_by_device(user_id, device_id) is None:
            return await call.go_on()
        body = call.arguments["request_body"]
        now = self._clock()
        since = to_milliseconds(now - APPROVAL_LIFETIME)
        reset = IdentityReset(user_id, device_id, _hash_of_keys(body), to_milliseconds(now))
        if await self._resets.use(reset, since=since):
            return body, None
        await self._resets.ask(reset, forget_before=since)
        query = urlencode({"action": AccountAction.RESET_IDENTITY.value, "device_id": device_id})
        page = {"url": f"{self._account_page}?{query}"}
        raise InteractiveAuthIncompleteError(
            "hek-identity-reset",
            {
                "session": "hek-identity-reset",
                "flows": [{"stages": [stage]} for stage in _STAGES],
                "params": dict.fromkeys(_STAGES, page),
                "completed": [],
            },
        )


def _hash_of_keys(body: dict[str, Any]) -> str:
    """Of everything that is posted but the confirmation itself."""
    keys = {name: value for name, value in body.items() if name != "auth"}
    return hashlib.sha256(encode_canonical_json(keys)).hexdigest()
