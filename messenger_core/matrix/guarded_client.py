"""nio's client with the gaps closed that a stranger or an outage could use against a service.

The numbers name the rows of known nio 0.26 pitfalls: an undecodable Olm message must not stop the sync (2), and a
count of zero one-time keys must be noticed (4).
"""

from __future__ import annotations

import logging
from typing import Any

import aiohttp
from nio import AsyncClient, AsyncClientConfig, SyncResponse, ToDeviceEvent

logger = logging.getLogger(__name__)

_MEDIA_TIMEOUT_S = 300


class GuardedClient(AsyncClient):  # type: ignore[misc] # nio has no types
    """An ``AsyncClient`` that hostile to-device messages do not stop and that refills its one-time keys."""

    def authorized_http(self) -> aiohttp.ClientSession:
        """A connection with the account's token, for what nio has no call for."""
        return aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self.access_token}"},
            timeout=aiohttp.ClientTimeout(total=_MEDIA_TIMEOUT_S),
        )

    def _handle_decrypt_to_device(self, to_device_event: ToDeviceEvent) -> Any:
        try:
            return super()._handle_decrypt_to_device(to_device_event)
        except Exception as fault:  # noqa: BLE001 - vodozemac's exceptions are ValueErrors and others; none may escape
            logger.warning("a to-device message could not be decrypted: %s", type(fault).__name__)
            return None

    def _handle_olm_events(self, response: SyncResponse) -> None:
        super()._handle_olm_events(response)
        count = response.device_key_count.signed_curve25519
        if count is not None and self.olm is not None:
            self.olm.uploaded_key_count = count


def client_config(store_key: str) -> AsyncClientConfig:
    """How a service uses nio: it keeps the position itself, and every wait has an end."""
    return AsyncClientConfig(
        encryption_enabled=True,
        store_sync_tokens=False,
        pickle_key=store_key,
        max_limit_exceeded=20,
        max_timeouts=3,
        request_timeout=60,
    )
