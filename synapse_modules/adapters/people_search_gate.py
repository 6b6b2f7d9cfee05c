"""The search box of insured people: practices from the directory, and the insurer's own accounts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from synapse.api.errors import Codes, SynapseError
from synapse.module_api import ModuleApi, UserProfile, make_deferred_yieldable, run_in_background
from synapse.util.async_helpers import ObservableDeferred
from twisted.internet import defer, reactor

from messenger_core.account_kinds import AccountKind
from messenger_core.catalogue import Catalogue
from synapse_modules.adapters.directory_client import DirectoryClient, DirectoryFault, SearchAnswer
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules.membership import AccountState
from synapse_modules.rules.reach import House, is_hidden_from
from synapse_modules.store.accounts import Accounts

_TOKEN_TIMEOUT_S = 2.0
_INSURER = "hek"
_LONGEST_TERM = 200
_Result = TypeVar("_Result")


class PeopleSearchGate:
    """Answers insured people; everybody else gets Synapse's own search, filtered."""

    def __init__(
        self,
        api: ModuleApi,
        *,
        client: DirectoryClient,
        accounts: Accounts,
        parties: Parties,
        house: House,
        timeout_ms: int,
    ) -> None:
        self._api = api
        self._client = client
        self._accounts = accounts
        self._parties = parties
        self._house = house
        self._timeout_s = timeout_ms / 1000
        self._preparing: ObservableDeferred[None] | None = None
        self._texts = Catalogue.of("synapse_modules")

    async def search(self, call: Call) -> Any:
        """Somebody types into the search box; Synapse takes whatever a client wrote, and fails on it.

        Raises:
            SynapseError: if that is no text.
        """
        term, limit = call.arguments["search_term"], call.arguments["limit"]
        if not isinstance(term, str):
            raise SynapseError(400, self._texts.line("search-not-readable"), Codes.BAD_JSON)
        account = await self._accounts.find(call.arguments["user_id"])
        if account is None or account.state is not AccountState.LIVE:
            return {"limited": False, "results": []}
        if account.kind is AccountKind.INSURED:
            return await self._search(term, limit)
        return await call.go_on()

    async def check_username_for_spam(self, profile: UserProfile, requester_id: str) -> bool:
        """Called for every account that Synapse's own search finds; True hides it."""
        found = profile["user_id"]
        parties = await self._parties.of([found, requester_id])
        return is_hidden_from(parties[found], parties[requester_id])

    async def _search(self, term: str, limit: int) -> dict[str, Any]:
        wanted = term.strip()[:_LONGEST_TERM]
        if not wanted or limit < 1:
            return {"limited": False, "results": []}
        own = await self._own_accounts(wanted)
        try:
            answer = await _within(self._timeout_s, lambda: self._ask(wanted, limit))
        except (DirectoryFault, defer.TimeoutError):
            # Nothing is made up: the answer says that there may be more.
            return {"limited": True, "results": own[:limit]}
        found = own + [{"user_id": one.user_id, "display_name": one.display_name} for one in answer.results]
        return {"limited": answer.limited or len(found) > limit, "results": found[:limit]}

    async def _ask(self, term: str, limit: int) -> SearchAnswer:
        if not self._client.may_search:
            await self._wait_for_token()
        return await self._client.people_search(term, limit)

    async def _wait_for_token(self) -> None:
        """Waits for an access token, which is fetched once for all who wait.

        Whoever waits no longer does not end the fetching, so that a later search finds the token.
        """
        if self._preparing is None:
            fetching = self._api.run_as_background_process("hek_search_token", self._prepare)
            self._preparing = ObservableDeferred(fetching)
            fetching.addBoth(self._reset_preparing)
        await make_deferred_yieldable(self._preparing.observe())

    async def _prepare(self) -> None:
        # Without a token the search itself says so.
        with suppress(DirectoryFault, defer.TimeoutError):
            await _within(_TOKEN_TIMEOUT_S, self._client.prepare_search)

    def _reset_preparing(self, _outcome: object) -> None:
        self._preparing = None

    async def _own_accounts(self, term: str) -> list[dict[str, str]]:
        folded, found = term.casefold(), []
        for user_id in (self._house.support, self._house.service):
            account = await self._accounts.find(user_id)
            if account is None or account.state is not AccountState.LIVE:
                continue
            if folded in account.display_name.casefold() or _INSURER in folded.split():
                found.append({"user_id": user_id, "display_name": account.display_name})
        return found


async def _within(seconds: float, call: Callable[[], Awaitable[_Result]]) -> _Result:
    """Waits for a call, but not longer.

    Raises:
        defer.TimeoutError: if it takes longer.
    """
    deferred = run_in_background(call)
    deferred.addTimeout(seconds, reactor)
    return await make_deferred_yieldable(deferred)
