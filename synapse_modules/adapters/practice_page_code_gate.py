"""Shows a practice, in its messenger's search box, the code with which it signs in to its page at the directory.

Every Matrix client has that box, whoever types there is signed in as the practice, and nothing is left in any room.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from synapse.module_api import ModuleApi

from messenger_core.account_kinds import AccountKind
from messenger_core.calendar_periods import BERLIN
from messenger_core.catalogue import Catalogue
from synapse_modules.adapters.directory_client import DirectoryClient, DirectoryFault
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules.membership import AccountState
from synapse_modules.store.accounts import Accounts

TERMS = frozenset({"anmeldecode", "sign-in code"})
# Nobody has this account, and none can be made: whoever writes to it is refused. Clients leave their own account out.
_LOCALPART = "anmeldecode"


class PracticePageCodeGate:
    """Answers live accounts of practices that search for ``anmeldecode``; everything else goes on."""

    def __init__(self, api: ModuleApi, client: DirectoryClient, accounts: Accounts) -> None:
        self._user_id = api.get_qualified_user_id(_LOCALPART)
        self._client = client
        self._accounts = accounts
        self._texts = Catalogue.of("synapse_modules")

    async def search(self, call: Call) -> Any:
        """Somebody types into the search box."""
        term = call.arguments["search_term"]
        if isinstance(term, str) and term.strip().casefold() in TERMS:
            account = await self._accounts.find(call.arguments["user_id"])
            if account and account.kind is AccountKind.PRACTICE and account.state is AccountState.LIVE:
                return await self._code(account.user_id)
        return await call.go_on()

    async def _code(self, user_id: str) -> dict[str, Any]:
        try:
            made = await self._client.sign_in_code(user_id)
        except DirectoryFault:
            return {"limited": True, "results": []}
        ends = datetime.fromtimestamp(made.expires_at / 1000, UTC).astimezone(BERLIN)
        shown = self._texts.line("page-code", code=made.code, time=f"{ends:%H:%M}")
        return {"limited": False, "results": [{"user_id": self._user_id, "display_name": shown}]}
