"""Wiring of the API for other programs: the insurer's core system, the bot, retention, the directory."""

from __future__ import annotations

from synapse.module_api import ModuleApi

from messenger_core.homeserver_interface import MACHINE_PREFIX
from messenger_core.service_auth.token_grant import Client, TokenAuthority
from synapse_modules.adapters.account_calls import AccountCalls
from synapse_modules.adapters.care_room_calls import CareRoomCalls
from synapse_modules.adapters.erasure_calls import ErasureCalls
from synapse_modules.adapters.health import Health
from synapse_modules.adapters.kvnr_key_calls import KvnrKeyCalls
from synapse_modules.adapters.locks import Locks
from synapse_modules.adapters.machine_http import Calls, MachineResource
from synapse_modules.adapters.membership_calls import MembershipCalls
from synapse_modules.adapters.practice_calls import PracticeCalls
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.adapters.session_ends import SessionEnds
from synapse_modules.adapters.synapse_database import SynapseDatabase
from synapse_modules.adapters.synapse_private import SynapsePrivate
from synapse_modules.rules.senders import sender_of
from synapse_modules.settings import Configuration
from synapse_modules.store.accounts import Accounts
from synapse_modules.store.audit import AuditLog
from synapse_modules.store.changes import Changes
from synapse_modules.store.erasable_events import ErasableEvents
from synapse_modules.store.memberships import Memberships
from synapse_modules.store.rooms import Rooms
from synapse_modules.store.sealed_kvnrs import SealedKvnrs
from synapse_modules.store.used_assertions import UsedAssertions


class _Clients:
    """The clients of the settings (``token_grant.ClientRegistry``)."""

    def __init__(self, clients: dict[str, Client]) -> None:
        self._clients = clients

    async def find_client(self, client_id: str) -> Client | None:
        """The client, or None if it is unknown."""
        return self._clients.get(client_id)


def open_machine_api(
    api: ModuleApi,
    config: Configuration,
    synapse: SynapsePrivate,
    database: SynapseDatabase,
    *,
    accounts: Accounts,
    memberships: Memberships,
    locks: Locks,
    rooms: Rooms,
    register: RoomRegister,
    used_assertions: UsedAssertions,
    session_ends: SessionEnds,
    health: Health,
) -> None:
    """Serves every call below ``MACHINE_PREFIX``, and the token endpoint."""
    settings, audit = config.settings, AuditLog(database)
    calls: list[Calls] = [
        KvnrKeyCalls(SealedKvnrs(database), config.vault),
        MembershipCalls(
            memberships=memberships,
            locks=locks,
            vault=config.vault,
            admit_test_numbers=settings.admit_test_numbers,
        ),
        AccountCalls(api, accounts=accounts, memberships=memberships, changes=Changes(database), vault=config.vault),
        PracticeCalls(
            api,
            accounts=accounts,
            locks=locks,
            session_ends=session_ends,
            reserved=settings.names_of_the_house,
        ),
        CareRoomCalls(api, accounts=accounts, rooms=rooms, register=register, audit=audit, synapse=synapse.memberships),
        ErasureCalls(
            api,
            rooms=rooms,
            register=register,
            events=ErasableEvents(database),
            audit=audit,
            synapse=synapse.history,
            minimum_age_years=settings.erasure_minimum_age_years,
        ),
    ]
    resource = MachineResource(
        [route for call in calls for route in call.routes()],
        authority=TokenAuthority(settings.public_url, settings.token_endpoint, config.signing_key),
        clients=_Clients(config.clients),
        replays=used_assertions,
        clock=synapse.clock,
        health=health,
        failures=synapse.sign_in_limits,
        sender_of=lambda address: sender_of(address, settings.trusted_proxies),
    )
    api.register_web_resource(MACHINE_PREFIX, resource)
