"""Who may ask the directory for access tokens: homeservers from the settings, practices that joined."""

from __future__ import annotations

from collections.abc import Iterable

from directory_service.store.practices import PracticeStore
from messenger_core.service_auth.keys import parse_jwks
from messenger_core.service_auth.token_grant import Client

PRACTICE_SCOPE = "practice:write"


class DirectoryClients:
    """The directory's clients (``token_grant.ClientRegistry``)."""

    def __init__(self, homeservers: Iterable[Client], practices: PracticeStore) -> None:
        self._homeservers = {client.client_id: client for client in homeservers}
        self._practices = practices

    async def find_client(self, client_id: str) -> Client | None:
        """A homeserver, or the practice with this Telematik-ID; the latter can write its own entry alone."""
        if client_id in self._homeservers:
            return self._homeservers[client_id]
        if not client_id.isprintable():
            return None
        known = await self._practices.find_with_keys(client_id)
        if known is None:
            return None
        practice, jwks = known
        return Client(client_id, parse_jwks(jwks), frozenset({PRACTICE_SCOPE}), practice.epoch)
