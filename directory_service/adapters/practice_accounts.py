"""Asks the homeserver for a practice's account."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from messenger_core.homeserver_interface import CALLS_PREFIX
from messenger_core.problem import Problem
from messenger_core.service_auth.client import CallFailed, ServiceClient

logger = logging.getLogger(__name__)

_SCOPE = "practice:provision"
TRIES = 5
"""How often a change is begun anew because the practice was changed by another request at the same time."""
_PATH = f"{CALLS_PREFIX}/practices"


class PracticeAccounts:
    """The homeserver's accounts of practices."""

    def __init__(self, homeserver: ServiceClient) -> None:
        self._homeserver = homeserver

    async def provide(self, telematik_id: str, display_name: str, jwks: Mapping[str, Any]) -> str:
        """Makes the practice's account, or gives the one it has a new name and new keys.

        Returns:
            The Matrix user id.

        Raises:
            CallFailed: if the homeserver cannot be reached, refuses, or does not answer as agreed.
        """
        body = {"telematik_id": telematik_id, "display_name": display_name, "jwks": dict(jwks), "active": True}
        answer = await self._homeserver.call("PUT", _PATH, scope=_SCOPE, body=body)
        user_id = answer.get("user_id") if isinstance(answer, dict) else None
        if not isinstance(user_id, str) or not user_id.startswith("@") or ":" not in user_id:
            raise CallFailed("PUT practices: no user id in the answer")
        return user_id


def account_differs() -> Problem:
    """The answer when the homeserver named an account that is not this practice's."""
    logger.error("the homeserver named an account that belongs to another practice, or another one than before")
    return Problem(
        502, "account-differs", "The homeserver named an unexpected account; the operator has to look at it."
    )


def changed_too_often() -> Problem:
    """The answer when other requests changed the practice at every try."""
    return Problem(503, "changed-meanwhile", "Other requests change this practice right now; send this one again.")
