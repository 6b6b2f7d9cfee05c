"""Which other homeservers take part in the federation now, for Synapse and for the rules, in every process."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509
from prometheus_client import Counter, Gauge
from synapse.api.errors import FederationDeniedError
from synapse.module_api import ModuleApi
from synapse.util.async_helpers import Linearizer
from synapse.util.clock import Clock

from messenger_core.account_kinds import AccountKind
from messenger_core.clock import present, present_ms
from messenger_core.log import fault_without_text
from synapse_modules.adapters.background import BackgroundTasks
from synapse_modules.adapters.federation_list_client import FederationListClient
from synapse_modules.adapters.synapse_private.federation import PrivateFederation
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.federation_settings import FederationSettings
from synapse_modules.rules.federation_list import (
    ListedServer,
    ListRefused,
    read_federation_list,
    server_of_user,
    still_counts,
)
from synapse_modules.store.federation import FederationLists, ListStamp, OlderList

logger = logging.getLogger(__name__)

_RELOAD_S = 5.0
_CONFIRMED_AT = Gauge(
    "hek_federation_list_confirmed_timestamp_seconds",
    "When the publisher last said that the federation list is current",
)
_VERSION = Gauge("hek_federation_list_version", "The version of the federation list that is used")
_FAULTS = Counter("hek_federation_list_faults", "How often no federation list was taken", ["fault"])


class ListedServers:
    """Reads the stored list, fetches a newer one, and keeps Synapse in line with it."""

    def __init__(
        self,
        api: ModuleApi,
        *,
        settings: FederationSettings,
        roots: Sequence[x509.Certificate],
        lists: FederationLists,
        synapse: PrivateFederation,
        clock: Clock,
    ) -> None:
        self._api = api
        self._settings = settings
        self._roots = roots
        self._lists = lists
        self._client = FederationListClient(api, settings)
        self._synapse = synapse
        self._one_at_a_time = Linearizer("hek_federation_list", clock)
        self._stamp = ListStamp(-1, 0)
        self._servers: Mapping[str, ListedServer] = {}
        self._fetched_at = -float("inf")
        self._is_in_use = True

    def start(self, tasks: BackgroundTasks) -> None:
        """Follows the stored list in every process, and the publisher's in the one that runs background tasks."""
        self._synapse.follow_list(self.reload)
        self._synapse.listen()
        tasks.repeat("hek_federation_reload", self.reload, _RELOAD_S)
        if self._api.should_run_background_tasks():
            tasks.repeat("hek_federation_list", self.refresh, self._settings.refresh_ms / 1000)

    async def authenticate(self, call: Call) -> Any:
        """A request of another server: looks for a newer list before one is refused that is not admitted.

        Raises:
            FederationDeniedError: if the server takes no part.
        """
        try:
            return await call.go_on()
        except FederationDeniedError as refusal:
            if refusal.destination is None or await self.find(refusal.destination) is None:
                raise
            return await call.go_on()

    async def find(self, domain: str) -> ListedServer | None:
        """A server that takes part; None if it does not, or if the list is too old to say so.

        For one that is not known a newer list is fetched (A_25537), once for all who ask at the same time, and not
        again before some time has passed: whoever makes names up cannot make this server ask for each.
        """
        found = self.servers.get(domain)
        if found is not None or not self._may_ask_again():
            return found
        async with self._one_at_a_time.queue("list"):
            await self._reload()
            if domain not in self.servers and self._may_ask_again():
                await self._refresh()
        return self.servers.get(domain)

    async def kind_of(self, user_id: str) -> AccountKind | None:
        """What somebody of another server is: everybody at an insurance's is insured, everybody else a practice."""
        domain = server_of_user(user_id)
        return _kind_at(None if domain is None else await self.find(domain))

    async def stored_kind_of(self, user_id: str) -> AccountKind | None:
        """The same by the list that is stored, however old it is: for decisions that cannot be taken back."""
        if self._stamp.version < 0:
            # Before the first look, which the start does not wait for.
            await self.reload()
        domain = server_of_user(user_id)
        return _kind_at(None if domain is None else self._servers.get(domain))

    @property
    def servers(self) -> Mapping[str, ListedServer]:
        """Those that take part, as this process knows them; none if the list is too old."""
        return self._servers if self.counts else {}

    @property
    def counts(self) -> bool:
        """Whether the list is recent enough to say who takes part."""
        return still_counts(self._stamp.confirmed_at, present_ms(), self._settings.max_age_ms)

    def _may_ask_again(self) -> bool:
        return time.monotonic() - self._fetched_at >= self._settings.seconds_between_misses

    async def reload(self) -> None:
        """Takes what another process has stored, and notices when the list becomes too old."""
        async with self._one_at_a_time.queue("list"):
            await self._reload()

    async def refresh(self) -> None:
        """Asks the publisher for a newer list; whatever goes wrong, the stored one stays."""
        async with self._one_at_a_time.queue("list"):
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            known = await self._lists.stamp()
            signed = await self._client.fetch(known.version if known.confirmed_at else None)
            if signed is None:
                await self._lists.confirm(known.version, at=present_ms())
            else:
                federation = read_federation_list(signed, self._roots, present())
                await self._lists.replace(federation, at=present_ms())
                await self._synapse.tell_of_list()
                if federation.left_out:
                    logger.warning("the federation list has %d entries that are not readable", federation.left_out)
        except Exception as fault:  # noqa: BLE001 - the stored list counts for a while; the next round tries again
            reason = self._reason(fault)
            _FAULTS.labels(reason).inc()
            logger.warning("no newer federation list: %s", reason)
        await self._reload()
        # Only now, so that whoever comes meanwhile waits for what is being fetched.
        self._fetched_at = time.monotonic()

    @staticmethod
    def _reason(fault: Exception) -> str:
        match fault:
            case ListRefused():
                return fault.fault.value
            case OlderList():
                return "older-than-the-stored-one"
            case _:
                return fault_without_text(fault)

    async def _reload(self) -> None:
        stamp = await self._lists.stamp()
        if stamp.version != self._stamp.version:
            stamp, self._servers = await self._lists.servers()
        self._stamp = stamp
        _VERSION.set(stamp.version)
        _CONFIRMED_AT.set(stamp.confirmed_at / 1000)
        self._synapse.admit(self.servers)
        if self.counts != self._is_in_use:
            self._is_in_use = not self._is_in_use
            if self._is_in_use:
                logger.info("the federation list is current: other homeservers are admitted")
            else:
                logger.error("the federation list is missing or too old: nothing of other homeservers is admitted")


def _kind_at(server: ListedServer | None) -> AccountKind | None:
    if server is None:
        return None
    return AccountKind.INSURED if server.is_insurance else AccountKind.PRACTICE
