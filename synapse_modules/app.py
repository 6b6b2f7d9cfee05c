"""Wiring: what ``homeserver.yaml`` names, put together from rules, store and adapters.

Where which rule is enforced stands in ``synapse_modules.hooks``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from synapse.config import ConfigError
from synapse.module_api import ModuleApi

from messenger_core.catalogue import Catalogue
from messenger_core.settings import SettingsError
from synapse_modules.adapters.administrator_gate import AdministratorGate
from synapse_modules.adapters.background import BackgroundTasks
from synapse_modules.adapters.deactivations import DeactivationWork
from synapse_modules.adapters.device_gate import DeviceGate
from synapse_modules.adapters.directory_client import DirectoryClient
from synapse_modules.adapters.ended_requests import EndedRequestsWork
from synapse_modules.adapters.event_gate import EventGate
from synapse_modules.adapters.file_gate import FileGate
from synapse_modules.adapters.half_made_rooms import HalfMadeRooms
from synapse_modules.adapters.health import Health, Storage
from synapse_modules.adapters.insured_only_rooms import InsuredOnlyRoomsWork
from synapse_modules.adapters.key_sign_in import KeySignIn
from synapse_modules.adapters.lock_gate import LockGate
from synapse_modules.adapters.locks import locks_of
from synapse_modules.adapters.membership_gate import MembershipGate
from synapse_modules.adapters.membership_judge import MembershipJudge
from synapse_modules.adapters.own_accounts import OwnAccounts
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.people_search_gate import PeopleSearchGate
from synapse_modules.adapters.permissions import Permissions
from synapse_modules.adapters.practice_page_code_gate import PracticePageCodeGate
from synapse_modules.adapters.reachability_age import ReachabilityAge
from synapse_modules.adapters.reachability_watch import ReachabilityWatch
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.registration_gate import RegistrationGate
from synapse_modules.adapters.request_body_gate import RequestBodyGate
from synapse_modules.adapters.room_gate import RoomGate
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.adapters.session_ends import SessionEnds
from synapse_modules.adapters.sign_in import GesundheitsIdSignIn, StaffSignIn
from synapse_modules.adapters.sign_in_gate import SignInGate
from synapse_modules.adapters.stages import Stages
from synapse_modules.adapters.support_contact import SupportContact, WellKnownGate
from synapse_modules.adapters.synapse_database import SynapseDatabase
from synapse_modules.adapters.synapse_private import SynapsePrivate
from synapse_modules.adapters.synapse_private.features import end_start
from synapse_modules.adapters.synapse_private.hooks import check_hooks
from synapse_modules.federation_wiring import make_federation, open_federation
from synapse_modules.front_wiring import front_gates, guard_front
from synapse_modules.hooks import FEDERATION, HOOKS, WELL_KNOWN, install_gates
from synapse_modules.machine_wiring import open_machine_api
from synapse_modules.oauth_wiring import make_reset_gate, open_oauth
from synapse_modules.settings import Configuration, load_configuration
from synapse_modules.start_checks import comes_back_to_us, fits_the_database, fits_the_homeserver, holds_the_rules
from synapse_modules.store.accounts import Accounts
from synapse_modules.store.common_rooms import CommonRooms
from synapse_modules.store.deactivations import Deactivations
from synapse_modules.store.ended_requests import EndedRequests
from synapse_modules.store.insured_only_rooms import InsuredOnlyRooms
from synapse_modules.store.locks import DelayedEvents
from synapse_modules.store.memberships import Memberships
from synapse_modules.store.reachability import Reachability
from synapse_modules.store.rooms import Rooms
from synapse_modules.store.rooms_in_making import RoomsInMaking
from synapse_modules.store.sessions_to_end import SessionsToEnd
from synapse_modules.store.used_assertions import UsedAssertions

_MARK_ROUND_S = 30.0
_TRY_WRITING_EVERY_S = 15.0
_CATCH_UP_EVERY_S = 5.0
_HALF_MADE_ROUND_S = 60.0
_END_SESSIONS_EVERY_S = 5.0


def parse_config(config: object) -> Configuration:
    """Reads the module's file: the one place where a fault of the settings becomes Synapse's own.

    Raises:
        ConfigError: one line a fault.
    """
    try:
        return load_configuration(config)
    except SettingsError as fault:
        raise ConfigError(str(fault)) from None


def _open_synapse(config: Configuration, api: ModuleApi) -> SynapsePrivate:
    """Synapse past its public API, once everything fits; a fault ends the start."""
    try:
        check_hooks(row.hook for row in (*HOOKS, *FEDERATION, *WELL_KNOWN))
        synapse = SynapsePrivate.of(api)
        fits_the_homeserver(config.settings, api.public_baseurl, synapse.sign_in_providers)
        comes_back_to_us(config.settings.public_url, synapse.settings.returned_to_without_asking)
        holds_the_rules(synapse.settings.ways_in(), synapse.settings.needed())
        notices = synapse.settings.server_notices
        synapse.prepare_database(
            is_main_process=api.worker_name is None,
            check=lambda txn: fits_the_database(txn, config, server_name=api.server_name, notices=notices),
        )
    except ConfigError as fault:
        end_start(fault)
    return synapse


class HekMessenger:
    """The module: rooms, accounts, people search and the machine API."""

    parse_config = staticmethod(parse_config)

    def __init__(self, config: Configuration, api: ModuleApi) -> None:
        self._config = config
        self._api = api
        self._synapse = _open_synapse(config, api)
        self._tasks = BackgroundTasks(api)
        guard_front(api, config.settings, self._synapse)

        self._database = database = SynapseDatabase(api)
        self._accounts, self._rooms = Accounts(database), Rooms(database)
        self._memberships = Memberships(database, timedelta(days=config.settings.grace_days))
        self._reachability, self._used_assertions = Reachability(database), UsedAssertions(database)
        self._making = RoomsInMaking(database)
        self._parties = Parties(api, self._accounts, self._reachability)
        self._register = RoomRegister(api, self._rooms, self._parties)
        self._locks = locks_of(database, self._synapse.locks)
        self._deactivations = DeactivationWork(Deactivations(database), self._synapse.deactivation)
        self._session_ends = SessionEnds(SessionsToEnd(database), self._synapse.sessions)
        self._directory = DirectoryClient(api, config)

        self._install_gates()
        open_machine_api(
            api,
            config,
            self._synapse,
            database,
            accounts=self._accounts,
            memberships=self._memberships,
            locks=self._locks,
            rooms=self._rooms,
            register=self._register,
            used_assertions=self._used_assertions,
            session_ends=self._session_ends,
            health=self._watch_health(),
        )
        open_oauth(api, config.settings, self._synapse, database, accounts=self._accounts, tasks=self._tasks)
        self._follow_locks()
        if api.should_run_background_tasks():
            self._start_tasks()

    def _install_gates(self) -> None:
        """Makes every gate of the table, and installs them."""
        settings, api, database, synapse = self._config.settings, self._api, self._database, self._synapse
        texts = Catalogue.of("synapse_modules")
        house, refusals = settings.house(api.server_name), Refusals(texts)
        permissions = Permissions(api, settings.permissions.defaults)
        age = ReachabilityAge(self._parties, settings.directory.max_age_minutes)
        federation = make_federation(
            api,
            self._config,
            synapse,
            database,
            house=house,
            register=self._register,
            parties=self._parties,
            permissions=permissions,
            refusals=refusals,
        )
        judge = MembershipJudge(
            house=house,
            rooms=self._rooms,
            making=self._making,
            register=self._register,
            parties=self._parties,
            permissions=permissions,
            age=age,
            refusals=refusals,
            second_insured_by_practice=settings.second_insured_by_practice,
        )
        common_rooms = CommonRooms(database)
        gates: list[object] = [
            *front_gates(texts, synapse),
            RegistrationGate(api, self._accounts),
            SignInGate(self._accounts, settings.sign_in_providers, texts),
            KeySignIn(api, self._config, self._accounts, self._used_assertions),
            make_reset_gate(settings, database),
            AdministratorGate(self._parties, refusals),
            self._deactivations,
            RequestBodyGate(refusals),
            RoomGate(
                house=house,
                parties=self._parties,
                permissions=permissions,
                age=age,
                refusals=refusals,
                room_versions=settings.room_versions,
            ),
            MembershipGate(
                judge,
                parties=self._parties,
                permissions=permissions,
                refusals=refusals,
                synapse=synapse.memberships,
            ),
            EventGate(
                api,
                rooms=self._rooms,
                register=self._register,
                parties=self._parties,
                refusals=refusals,
                deletable_for=settings.deletable_for,
                from_elsewhere=None if federation is None else federation.events.verdict,
            ),
            LockGate(api, DelayedEvents(database), synapse.locks, synapse.sessions),
            DeviceGate(common_rooms, refusals),
            FileGate(common_rooms, refusals),
            PracticePageCodeGate(api, self._directory, self._accounts),
            PeopleSearchGate(
                api,
                client=self._directory,
                accounts=self._accounts,
                parties=self._parties,
                house=house,
                timeout_ms=settings.search_timeout_ms,
            ),
        ]
        rows = HOOKS
        if settings.support is not None:
            rows = (*WELL_KNOWN, *rows)
            gates.append(WellKnownGate(SupportContact(settings.support, synapse.clock)))
        if federation is not None:
            rows = (*FEDERATION, *rows)
            gates.extend(federation.gates)
        install_gates(api, rows, gates)
        if federation is not None:
            open_federation(api, self._config, synapse, federation, tasks=self._tasks, parties=self._parties)

    def _watch_health(self) -> Health:
        storage = Storage(self._api, self._database, self._synapse.settings.folders)
        self._tasks.repeat("hek_storage", storage.try_writing, _TRY_WRITING_EVERY_S)
        return Health(self._tasks, storage)

    def _follow_locks(self) -> None:
        """Has this process hear of every lock and of ended sessions; the locks that it could not hear of, it reads."""
        is_main = self._api.should_run_background_tasks()
        self._locks.follow(brings_marks=is_main)
        self._synapse.sessions.listen()
        self._tasks.repeat("hek_lock_watch", self._locks.catch_up, _CATCH_UP_EVERY_S)
        if is_main:
            self._tasks.repeat("hek_marks", self._locks.bring_marks, _MARK_ROUND_S)

    def _start_tasks(self) -> None:
        """Starts what one process alone does."""
        api, database, tasks = self._api, self._database, self._tasks
        own_accounts = OwnAccounts(api, self._config.settings, self._accounts)
        tasks.once("hek_own_accounts", own_accounts.make)
        stages = Stages(self._memberships, self._locks, self._deactivations)
        tasks.repeat("hek_stages", stages.move_what_is_due, stages.pause_s)
        watch = ReachabilityWatch(self._directory, self._reachability)
        tasks.repeat("hek_reachability", watch.follow, watch.pause_s)
        tasks.repeat("hek_session_ends", self._session_ends.end_what_is_noted, _END_SESSIONS_EVERY_S)
        half_made = HalfMadeRooms(api, self._making, self._rooms, self._synapse.memberships)
        tasks.repeat("hek_half_made_rooms", half_made.clear, _HALF_MADE_ROUND_S)
        insured_only = self._config.settings.insured_only_rooms
        emptying = InsuredOnlyRoomsWork(
            api,
            InsuredOnlyRooms(database),
            rooms=self._rooms,
            register=self._register,
            parties=self._parties,
            grace=insured_only.grace,
        )
        tasks.repeat("hek_insured_only_rooms", emptying.tell_and_empty, insured_only.look_every_s)
        requests = EndedRequestsWork(EndedRequests(database), self._synapse.memberships, kept_for=insured_only.grace)
        tasks.repeat("hek_ended_requests", requests.forget_ended, insured_only.look_every_s)


class GesundheitsIDMapping(GesundheitsIdSignIn):
    """The ``user_mapping_provider`` of the provider ``gesundheitsid``."""

    def __init__(self, config: Configuration, module_api: ModuleApi) -> None:
        super().__init__(config, module_api)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> Configuration:
        """Reads the same file as the module."""
        return parse_config(config)


class StaffMapping(StaffSignIn):
    """The ``user_mapping_provider`` of the provider ``staff``."""

    def __init__(self, config: Configuration, module_api: ModuleApi) -> None:
        super().__init__(config, module_api)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> Configuration:
        """Reads the same file as the module."""
        return parse_config(config)
