"""Fetches the federation list from its publisher (I_VZD_TIM_Provider_Services, getFederationList)."""

from __future__ import annotations

from io import BytesIO
from urllib.parse import urlencode

from synapse.module_api import ModuleApi, make_deferred_yieldable, run_in_background
from twisted.internet import reactor

from synapse_modules.federation_settings import FederationSettings

_TIMEOUT_S = 30.0
# gematik's list has some ten thousand domains of about 150 bytes.
_LARGEST_LIST_BYTES = 32 * 1024 * 1024


class FederationListClient:
    """One process's way to the publisher."""

    def __init__(self, api: ModuleApi, settings: FederationSettings) -> None:
        self._http = api.http_client
        self._settings = settings

    async def fetch(self, known_version: int | None) -> str | None:
        """The list as it was signed; None if there is none that is newer.

        Args:
            known_version: of the list that is at hand.

        Raises:
            Exception: whatever Synapse's HTTP client raises if there is no answer, or one that is too large.
        """
        query: dict[str, str] = {"sigAlg": self._settings.list_algorithm}
        if known_version is not None:
            query["version"] = str(known_version)
        body = BytesIO()
        download = run_in_background(
            self._http.get_file, f"{self._settings.list_url}?{urlencode(query)}", body, _LARGEST_LIST_BYTES
        )
        # Synapse's client does not limit how long an answer may take to arrive.
        download.addTimeout(_TIMEOUT_S, reactor)
        *_, status = await make_deferred_yieldable(download)
        return None if status == 204 else body.getvalue().decode("ascii", errors="replace")
