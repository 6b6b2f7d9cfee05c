"""Sign-in through OpenID providers: admission is decided at every sign-in, before an account is made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from synapse.handlers.sso import MappingException
from synapse.module_api import ModuleApi

from messenger_core.account_kinds import AccountKind
from messenger_core.calendar_periods import berlin_day
from messenger_core.catalogue import Catalogue
from messenger_core.clock import present, present_ms
from synapse_modules.adapters.account_maker import AccountMaker
from synapse_modules.adapters.locks import locks_of
from synapse_modules.adapters.synapse_database import SynapseDatabase
from synapse_modules.adapters.synapse_private import SynapsePrivate
from synapse_modules.rules.admission import (
    AdmittedAgent,
    AdmittedPerson,
    RefusalReason,
    RefusedSignIn,
    claimed_kvnr,
    decide,
    decide_agent,
    names_other_insurer,
)
from synapse_modules.rules.localparts import agent_localpart, kvnr_localpart, new_insured_localpart
from synapse_modules.rules.membership import AccountState, Stage, stage_on
from synapse_modules.settings import Configuration
from synapse_modules.store.accounts import Account, Accounts
from synapse_modules.store.audit import AuditEntry, AuditLog
from synapse_modules.store.memberships import Memberships

if TYPE_CHECKING:
    from synapse.handlers.oidc import Token, UserAttributeDict

# Synapse puts this before the idp_id of the configuration.
_PROVIDER_PREFIX = "oidc-"
Claims = Mapping[str, Any]
"""What the ID token says."""


class _Mapping:
    """What both providers share: refusing with a text and a line in the audit log, and the account's name."""

    def __init__(self, configuration: Configuration, api: ModuleApi, idp_id: str) -> None:
        self._api = api
        self._provider = _PROVIDER_PREFIX + idp_id
        self._texts = Catalogue.of("synapse_modules")
        database = SynapseDatabase(api)
        self._accounts = Accounts(database)
        self._maker = AccountMaker(api, self._accounts)
        self._audit = AuditLog(database)

    async def _refuse(self, reason: RefusalReason, kvnr_hash: str | None = None) -> MappingException:
        """Writes the refusal down and returns what makes Synapse show it."""
        entry = AuditEntry("sign-in-refused", reason.value, self._provider, kvnr_hash=kvnr_hash)
        await self._audit.add(entry, at=present_ms())
        return MappingException(self._texts.both(f"sign-in-{reason.value}"))

    async def _welcome_back(self, account: Account, external_id: str, display_name: str) -> None:
        """Finishes a registration that was interrupted, and takes over a changed verified name."""
        if account.state is AccountState.PENDING:
            if not await self._accounts.is_registered(account.user_id):
                return
            await self._accounts.make_live(account.user_id, at=present_ms())
        if not await self._accounts.has_external_id(account.user_id, self._provider):
            await self._api.record_user_external_id(self._provider, external_id, account.user_id)
        if account.display_name != display_name:
            await self._maker.rename(account.user_id, display_name)


class GesundheitsIdSignIn(_Mapping):
    """Insured people, by the claims of their GesundheitsID."""

    def __init__(self, configuration: Configuration, api: ModuleApi) -> None:
        super().__init__(configuration, api, configuration.settings.gesundheitsid_idp_id)
        self._settings = configuration.settings
        self._vault = configuration.vault
        database = SynapseDatabase(api)
        self._memberships = Memberships(database, timedelta(days=configuration.settings.grace_days))
        self._locks = locks_of(database, SynapsePrivate.of(api).locks)

    def _kvnr_hash(self, userinfo: Claims) -> str | None:
        kvnr = claimed_kvnr(userinfo, admit_test_numbers=self._settings.admit_test_numbers)
        return None if kvnr is None else self._vault.lookup_hash(kvnr)

    def _decide(self, userinfo: Claims) -> AdmittedPerson | RefusedSignIn:
        settings = self._settings
        return decide(userinfo, insurer_ik=settings.insurer_ik, admit_test_numbers=settings.admit_test_numbers)

    def get_remote_user_id(self, userinfo: Claims) -> str:
        """What Synapse knows the person by: the keyed hash of her KVNR.

        Claims that let nobody in give a name that nobody has. At a sign-in, ``get_extra_attributes`` then refuses them
        in our own words; where a sign-in confirms something, nothing else is asked, and Synapse's page refuses them.
        """
        decision = self._decide(userinfo)
        return self._vault.lookup_hash(decision.kvnr) if isinstance(decision, AdmittedPerson) else "nobody"

    async def get_extra_attributes(self, userinfo: Claims, _token: Token) -> dict[str, Any]:
        """Called at every sign-in, before anything is made.

        Raises:
            MappingException: if the person does not get in; its text becomes the page that she reads.
        """
        kvnr_hash = self._kvnr_hash(userinfo)
        decision = self._decide(userinfo)
        if isinstance(decision, RefusedSignIn):
            has_moved = decision.reason is RefusalReason.OTHER_INSURER and await self._lock_moved(userinfo)
            reason = RefusalReason.INSURER_CHANGED if has_moved else decision.reason
            raise await self._refuse(reason, kvnr_hash)
        assert kvnr_hash is not None
        known = await self._memberships.known(kvnr_hash)
        if stage_on(known.membership.ends_on, berlin_day(present())) is Stage.LOCKED:
            raise await self._refuse(RefusalReason.MEMBERSHIP_ENDED, kvnr_hash)
        account = await self._accounts.find_by_kvnr(kvnr_hash)
        if account is not None and account.state is AccountState.LOCKED:
            raise await self._refuse(RefusalReason.ACCOUNT_LOCKED, kvnr_hash)
        if account is not None and account.state is AccountState.DEACTIVATING:
            raise await self._refuse(RefusalReason.ACCOUNT_BEING_REMOVED, kvnr_hash)
        if account is not None:
            await self._welcome_back(account, kvnr_hash, decision.display_name)
        return {}

    async def _lock_moved(self, userinfo: Claims) -> bool:
        """Locks the account of a person who is certainly insured elsewhere; whether she has one."""
        settings = self._settings
        kvnr_hash = self._kvnr_hash(userinfo)
        if kvnr_hash is None or not names_other_insurer(
            userinfo, insurer_ik=settings.insurer_ik, admit_test_numbers=settings.admit_test_numbers
        ):
            return False
        accounts = await self._memberships.lock_moved(kvnr_hash, now=present(), actor=self._provider)
        await self._locks.apply(accounts)
        return bool(accounts)

    async def map_user_attributes(self, userinfo: Claims, _token: Token, failures: int) -> UserAttributeDict:
        """Called at the first sign-in: writes the account down as pending and names it.

        Raises:
            MappingException: if the pending name is taken, which a second try resolves.
        """
        decision = self._decide(userinfo)
        if isinstance(decision, RefusedSignIn):
            raise await self._refuse(decision.reason)
        kvnr_hash = self._vault.lookup_hash(decision.kvnr)
        if failures:
            raise await self._refuse(RefusalReason.TRY_AGAIN, kvnr_hash)
        user_id = await self._new_user_id(decision.kvnr)
        account = await self._accounts.reserve(
            Account(
                user_id,
                AccountKind.INSURED,
                AccountState.PENDING,
                decision.display_name,
                kvnr_hash=kvnr_hash,
                kvnr_sealed=self._vault.seal(decision.kvnr, user_id),
            ),
            unique="kvnr_hash",
        )
        return _attributes(account.user_id, decision.display_name)

    async def _new_user_id(self, kvnr: str) -> str:
        """A name that no account has or had."""
        if self._settings.mxid == "random":
            return self._api.get_qualified_user_id(new_insured_localpart())
        for number in count(1):
            user_id = self._api.get_qualified_user_id(kvnr_localpart(kvnr, number))
            account = await self._accounts.find(user_id)
            if account is None or account.state is AccountState.PENDING:
                return user_id
        raise AssertionError


class StaffSignIn(_Mapping):
    """Agents, by the claims of the insurer's staff provider."""

    def __init__(self, configuration: Configuration, api: ModuleApi) -> None:
        super().__init__(configuration, api, configuration.settings.staff_idp_id)

    def get_remote_user_id(self, userinfo: Claims) -> str:
        """What Synapse knows the agent by."""
        return str(userinfo.get("sub", "nobody"))

    async def get_extra_attributes(self, userinfo: Claims, _token: Token) -> dict[str, Any]:
        """Called at every sign-in, before anything is made.

        Raises:
            MappingException: if the agent does not get in.
        """
        decision = decide_agent(userinfo)
        if isinstance(decision, RefusedSignIn):
            raise await self._refuse(decision.reason)
        external_id = self.get_remote_user_id(userinfo)
        account = await self._accounts.find_by_external_id(self._provider, external_id)
        if account is None:
            # A staff name may be given to somebody else one day; the account stays with whom it was made for.
            account = await self._accounts.find(self._user_id(decision))
            if account is not None and await self._accounts.has_external_id(account.user_id, self._provider):
                raise await self._refuse(RefusalReason.STAFF_NAME_NOT_VALID)
        if account is not None and account.state not in {AccountState.PENDING, AccountState.LIVE}:
            raise await self._refuse(RefusalReason.ACCOUNT_LOCKED)
        if account is not None and account.kind is AccountKind.AGENT:
            await self._welcome_back(account, external_id, decision.display_name)
        return {}

    def _user_id(self, agent: AdmittedAgent) -> str:
        return self._api.get_qualified_user_id(agent_localpart(agent.preferred_username))

    async def map_user_attributes(self, userinfo: Claims, _token: Token, failures: int) -> UserAttributeDict:
        """Called at the first sign-in: writes the account down as pending and names it.

        Raises:
            MappingException: if the name belongs to another account.
        """
        decision = decide_agent(userinfo)
        if isinstance(decision, RefusedSignIn) or failures:
            raise await self._refuse(RefusalReason.STAFF_NAME_NOT_VALID)
        user_id = self._user_id(decision)
        account = Account(user_id, AccountKind.AGENT, AccountState.PENDING, decision.display_name)
        await self._accounts.reserve(account, unique="user_id")
        return _attributes(user_id, decision.display_name)


def _attributes(user_id: str, display_name: str) -> UserAttributeDict:
    return {
        "localpart": user_id[1:].partition(":")[0],
        "confirm_localpart": False,
        "display_name": display_name,
        "picture": None,
        "emails": [],
    }
