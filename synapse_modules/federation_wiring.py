"""Wiring of federation with other homeservers; without its settings nothing of another server is admitted."""

from __future__ import annotations

from synapse.module_api import ModuleApi

from synapse_modules.adapters.event_gate import EventGate
from synapse_modules.adapters.federation_answers import FederationAnswers
from synapse_modules.adapters.federation_forms import FederationForms
from synapse_modules.adapters.federation_gate import FederationGate
from synapse_modules.adapters.federation_requests import FederationRequests
from synapse_modules.adapters.leaving_rooms import ROUND_MS, LeavingRooms
from synapse_modules.adapters.listed_servers import ListedServers
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.permissions import Permissions
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.adapters.synapse_database import SynapseDatabase
from synapse_modules.adapters.synapse_private import SynapsePrivate
from synapse_modules.adapters.tim_information import PATH, TimInformation
from synapse_modules.rules.reach import House
from synapse_modules.settings import Configuration
from synapse_modules.store.common_rooms import CommonRooms
from synapse_modules.store.federation import FederationLists
from synapse_modules.store.rooms import Rooms
from synapse_modules.store.rooms_to_leave import RoomsToLeave


def open_federation(
    api: ModuleApi,
    config: Configuration,
    synapse: SynapsePrivate,
    database: SynapseDatabase,
    *,
    house: House,
    register: RoomRegister,
    parties: Parties,
    permissions: Permissions,
    refusals: Refusals,
    events: EventGate,
) -> None:
    """Admits the servers of the federation list, under the rules of ``FederationGate`` and ``FederationRequests``."""
    settings = config.settings.federation
    if settings is None:
        return
    servers = ListedServers(
        api,
        settings=settings,
        roots=config.federation_roots,
        lists=FederationLists(database),
        synapse=synapse.federation,
        clock=synapse.clock,
    )
    rooms, to_leave = Rooms(database), RoomsToLeave(database)
    gate = FederationGate(
        api,
        house=house,
        rooms=rooms,
        register=register,
        parties=parties,
        permissions=permissions,
        refusals=refusals,
        to_leave=to_leave,
        second_insured_by_practice=config.settings.second_insured_by_practice,
    )
    parties.ask_about_others(servers)
    events.ask_about_others(gate.verdict)
    forms = FederationForms(refusals)
    synapse.federated_rooms.ask_first(gate, forms.is_plain)
    synapse.federated_forms.read_by(forms)
    synapse.federated_answers.read_by(FederationAnswers())
    synapse.federated_requests.close(FederationRequests(CommonRooms(database)))
    servers.start()
    if api.worker_name is None:
        # Synapse looks OpenID tokens up on its main process alone.
        api.register_web_resource(
            PATH,
            TimInformation(
                api,
                servers=servers,
                parties=parties,
                open_id=synapse.open_id,
                insurer_ik=config.settings.insurer_ik,
                clock=synapse.clock,
            ),
        )
    if api.should_run_background_tasks():
        leaving = LeavingRooms(api, to_leave, parties)
        api.looping_background_call(leaving.leave_what_is_noted, ROUND_MS, desc="hek_leaving_rooms")
