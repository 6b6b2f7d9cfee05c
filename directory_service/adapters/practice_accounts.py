"""Asks the homeserver for a practice's account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from messenger_core.service_auth.client import CallFailed, ServiceClient

_SCOPE = "practice:provision"
_PATH = "/_synapse/client/hek/v1/practices"


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
