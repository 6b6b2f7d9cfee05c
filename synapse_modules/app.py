"""Wiring: what ``homeserver.yaml`` names, put together from rules, store and adapters."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from synapse.config import ConfigError
from synapse.module_api import ModuleApi

from messenger_core.catalogue import Catalogue
from messenger_core.log import fault_without_text
from messenger_core.settings import SettingsError
from synapse_modules.adapters.administrators import Administrators
from synapse_modules.adapters.deactivations import DeactivationWork
from synapse_modules.adapters.device_gate import DeviceGate
from synapse_modules.adapters.directory_client import DirectoryClient
from synapse_modules.adapters.ended_requests import EndedRequestsWork
from synapse_modules.adapters.event_gate import EventGate
from synapse_modules.adapters.half_made_rooms import ROUND_MS as HALF_MADE_ROUND_MS
from synapse_modules.adapters.half_made_rooms import HalfMadeRooms
from synapse_modules.adapters.insured_only_rooms import InsuredOnlyRoomsWork
from synapse_modules.adapters.key_sign_in import KeySignIn
from synapse_modules.adapters.lock_watch import LockWatch
from synapse_modules.adapters.locks import Locks
from synapse_modules.adapters.membership_gate import MembershipGate
from synapse_modules.adapters.own_accounts import OwnAccounts
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.people_search import InsuredSearch
from synapse_modules.adapters.permissions import Permissions
from synapse_modules.adapters.practice_page_code import PracticePageCode
from synapse_modules.adapters.reachability_age import ReachabilityAge
from synapse_modules.adapters.reachability_watch import ReachabilityWatch
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.registration import RegistrationGate
from synapse_modules.adapters.request_bodies import RequestBodies
from synapse_modules.adapters.room_making import RoomMaking
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.adapters.sign_in import GesundheitsIdSignIn, StaffSignIn
from synapse_modules.adapters.stages import Stages
from synapse_modules.adapters.support_contact import SupportContact
from synapse_modules.adapters.synapse_database import SynapseDatabase
from synapse_modules.adapters.synapse_private import SynapsePrivate
from synapse_modules.adapters.synapse_private.features import end_start
from synapse_modules.adapters.unreachable_marks import MarkBringer
from synapse_modules.adapters.ways_in import WaysIn
from synapse_modules.federation_wiring import open_federation
from synapse_modules.front_wiring import guard_front
from synapse_modules.machine_wiring import open_machine_api
from synapse_modules.rules.reach import Refusal
from synapse_modules.rules.unreachable_mark import marked
from synapse_modules.settings import Configuration, ModuleSettings, load_configuration
from synapse_modules.start_checks import fits_the_database, fits_the_homeserver, holds_the_rules
from synapse_modules.store.accounts import Accounts
from synapse_modules.store.common_rooms import CommonRooms
from synapse_modules.store.deactivations import Deactivations
from synapse_modules.store.delayed_events import DelayedEvents
from synapse_modules.store.ended_requests import EndedRequests
from synapse_modules.store.insured_only_rooms import InsuredOnlyRooms
from synapse_modules.store.memberships import Memberships
from synapse_modules.store.reachability import Reachability
from synapse_modules.store.rooms import Rooms
from synapse_modules.store.rooms_in_making import RoomsInMaking
from synapse_modules.store.statements import UsedStatements
from synapse_modules.store.unreachable_marks import UnreachableMarks

logger = logging.getLogger(__name__)

_TRY_AGAIN_S = 2.0
_MARK_ROUND_MS = 30_000
_LOCK_WATCH_MS = 5_000


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
        synapse = SynapsePrivate.of(api)
        fits_the_homeserver(config.settings, api.public_baseurl, synapse.sign_in_providers)
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
        settings = config.settings
        self._api = api
        synapse = _open_synapse(config, api)
        guard_front(settings, synapse)
        house = settings.house(api.server_name)

        database = SynapseDatabase(api)
        accounts, rooms = Accounts(database), Rooms(database)
        memberships = Memberships(database, timedelta(days=settings.grace_days))
        reachability, statements = Reachability(database), UsedStatements(database)
        parties = Parties(api, accounts, reachability)
        register = RoomRegister(api, rooms, parties)
        locks = Locks(accounts, synapse.accounts)
        deactivations = DeactivationWork(api, Deactivations(database), synapse.deactivation)
        directory = DirectoryClient(api, config)

        refusals = Refusals(Catalogue.of("synapse_modules"))
        self._close_what_synapse_leaves_open(synapse, database, parties, refusals)
        self._close_what_locks_leave_open(synapse, accounts, database)

        RegistrationGate(api, accounts)
        WaysIn(api, accounts, settings.sign_in_providers)
        synapse.ways_in.close_signing_in_as_somebody(
            Catalogue.of("synapse_modules").line("nobody-signs-in-as-somebody")
        )
        KeySignIn(api, config, accounts, statements)
        permissions = Permissions(api, settings.permissions.defaults)
        age = ReachabilityAge(parties, settings.directory.max_age_minutes)
        RoomMaking(
            api,
            house=house,
            parties=parties,
            permissions=permissions,
            age=age,
            refusals=refusals,
            room_versions=settings.room_versions,
        )
        making = RoomsInMaking(database)
        members = MembershipGate(
            api,
            house=house,
            rooms=rooms,
            making=making,
            register=register,
            parties=parties,
            permissions=permissions,
            age=age,
            refusals=refusals,
            second_insured_by_practice=settings.second_insured_by_practice,
        )
        synapse.memberships.ask_first(members)
        synapse.room_list.close(lambda: refusals.error(Refusal.NOT_LISTED))
        events = EventGate(
            api,
            rooms=rooms,
            register=register,
            parties=parties,
            refusals=refusals,
            deletable_for=settings.deletable_for,
        )
        open_federation(
            api,
            config,
            synapse,
            database,
            house=house,
            register=register,
            parties=parties,
            permissions=permissions,
            refusals=refusals,
            events=events,
        )
        if settings.support is not None:
            synapse.well_known.add("support", SupportContact(settings.support, synapse.clock))
        search = InsuredSearch(
            api,
            client=directory,
            accounts=accounts,
            parties=parties,
            house=house,
            timeout_ms=settings.search_timeout_ms,
        )
        synapse.people_search.wrap(search.wrap)
        synapse.people_search.wrap(PracticePageCode(api, directory, accounts).wrap)

        open_machine_api(
            api,
            config,
            synapse,
            database,
            accounts=accounts,
            memberships=memberships,
            locks=locks,
            rooms=rooms,
            register=register,
            statements=statements,
        )

        if api.should_run_background_tasks():
            own_accounts = OwnAccounts(api, settings, accounts)
            watch = ReachabilityWatch(api, directory, reachability)
            api.delayed_background_call(0, self._until_done, own_accounts.make, desc="hek_own_accounts")
            stages = Stages(api, memberships=memberships, locks=locks, deactivations=deactivations)
            api.delayed_background_call(0, stages.run, desc="hek_stages")
            api.delayed_background_call(0, watch.follow, desc="hek_reachability")
            half_made = HalfMadeRooms(api, making, rooms, synapse.memberships)
            api.delayed_background_call(0, half_made.clear, desc="hek_half_made_rooms_at_start")
            api.looping_background_call(half_made.clear, HALF_MADE_ROUND_MS, desc="hek_half_made_rooms")
            self._empty_what_is_left_to_insured_people(settings, database, rooms, register, parties)
            self._forget_ended_requests(settings, database, synapse)

    def _forget_ended_requests(
        self, settings: ModuleSettings, database: SynapseDatabase, synapse: SynapsePrivate
    ) -> None:
        given = settings.insured_only_rooms
        requests = EndedRequestsWork(EndedRequests(database), synapse.memberships, kept_for=given.grace)
        self._api.looping_background_call(requests.look, given.look_every_s * 1000, desc="hek_ended_requests")

    def _empty_what_is_left_to_insured_people(
        self,
        settings: ModuleSettings,
        database: SynapseDatabase,
        rooms: Rooms,
        register: RoomRegister,
        parties: Parties,
    ) -> None:
        emptying = InsuredOnlyRoomsWork(
            self._api,
            InsuredOnlyRooms(database),
            rooms=rooms,
            register=register,
            parties=parties,
            grace=settings.insured_only_rooms.grace,
        )
        look_every_ms = settings.insured_only_rooms.look_every_s * 1000
        self._api.looping_background_call(emptying.look, look_every_ms, desc="hek_insured_only_rooms")

    def _close_what_synapse_leaves_open(
        self, synapse: SynapsePrivate, database: SynapseDatabase, parties: Parties, refusals: Refusals
    ) -> None:
        common_rooms = CommonRooms(database)
        synapse.request_bodies.read_by(RequestBodies(refusals))
        synapse.devices.close(DeviceGate(common_rooms, refusals))
        synapse.files.close(common_rooms, lambda: refusals.error(Refusal.FILE_NOT_ENCRYPTED))
        synapse.administrators.are_only(Administrators(parties, refusals))

    def _close_what_locks_leave_open(
        self, synapse: SynapsePrivate, accounts: Accounts, database: SynapseDatabase
    ) -> None:
        """Synapse's own lock refuses requests; what waits, goes out by itself or is asked by others, it leaves open."""
        synapse.lock_sessions.close()
        synapse.lock_pushers.close()
        synapse.lock_profiles.close(marked)
        synapse.delayed_events.close(DelayedEvents(database))
        watch = LockWatch(accounts, synapse.accounts)
        self._api.looping_background_call(watch.look, _LOCK_WATCH_MS, desc="hek_lock_watch", run_on_all_instances=True)
        if self._api.should_run_background_tasks():
            marks = MarkBringer(UnreachableMarks(database), synapse.lock_profiles)
            synapse.accounts.follow_locks(marks.lock_changed)
            self._api.delayed_background_call(0, self._until_done, marks.bring, desc="hek_marks_at_start")
            self._api.looping_background_call(marks.bring, _MARK_ROUND_MS, desc="hek_marks")

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        """Tries again until it works: what is needed at start may not be there yet."""
        while True:
            try:
                return await work()
            except Exception as fault:  # noqa: BLE001 - whatever it was, it is tried again
                logger.warning("not done at start yet, trying again: %s", fault_without_text(fault))
                await self._api.sleep(_TRY_AGAIN_S)


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
