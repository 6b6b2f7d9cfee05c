"""Wiring of federation with other homeservers; without its settings nothing of another server is admitted."""

from __future__ import annotations

from dataclasses import dataclass

from synapse.module_api import ModuleApi

from synapse_modules.adapters.background import BackgroundTasks
from synapse_modules.adapters.federated_answer_gate import FederatedAnswerGate
from synapse_modules.adapters.federated_event_gate import FederatedEventGate
from synapse_modules.adapters.federated_form_gate import FederatedFormGate
from synapse_modules.adapters.federated_member_gate import FederatedMemberGate
from synapse_modules.adapters.federated_request_gate import FederatedRequestGate
from synapse_modules.adapters.foreign_events import ForeignEvents
from synapse_modules.adapters.leaving_rooms import LeavingRooms
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

_LEAVE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Federation:
    """What of this process has to do with other homeservers.

    Attributes:
        gates: those of ``hooks.FEDERATION``.
        events: judges events of other servers.
    """

    servers: ListedServers
    events: ForeignEvents
    to_leave: RoomsToLeave
    gates: tuple[object, ...]


def make_federation(
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
) -> Federation | None:
    """Makes the gates under whose rules the servers of the federation list are admitted; None without settings."""
    settings = config.settings.federation
    if settings is None:
        return None
    servers = ListedServers(
        api,
        settings=settings,
        roots=config.federation_roots,
        lists=FederationLists(database),
        synapse=synapse.federation,
        clock=synapse.clock,
    )
    rooms, to_leave = Rooms(database), RoomsToLeave(database)
    reserved = config.settings.names_of_the_house
    events = ForeignEvents(
        api,
        rooms=rooms,
        register=register,
        parties=parties,
        permissions=permissions,
        refusals=refusals,
        to_leave=to_leave,
        reserved=reserved,
    )
    members = FederatedMemberGate(
        house=house,
        rooms=rooms,
        register=register,
        parties=parties,
        permissions=permissions,
        refusals=refusals,
        second_insured_by_practice=config.settings.second_insured_by_practice,
    )
    gates = (
        servers,
        FederatedFormGate(api, refusals, reserved),
        FederatedEventGate(api, events, synapse.federated_rooms),
        members,
        FederatedRequestGate(CommonRooms(database)),
        FederatedAnswerGate(reserved),
    )
    return Federation(servers, events, to_leave, gates)


def open_federation(
    api: ModuleApi,
    config: Configuration,
    synapse: SynapsePrivate,
    federation: Federation,
    *,
    tasks: BackgroundTasks,
    parties: Parties,
) -> None:
    """Admits the servers of the list, once the gates stand."""
    parties.ask_about_others(federation.servers)
    federation.servers.start(tasks)
    if api.worker_name is None:
        # Synapse looks OpenID tokens up on its main process alone.
        api.register_web_resource(
            PATH,
            TimInformation(
                api,
                servers=federation.servers,
                parties=parties,
                open_id=synapse.open_id,
                insurer_ik=config.settings.insurer_ik,
                clock=synapse.clock,
            ),
        )
    if api.should_run_background_tasks():
        leaving = LeavingRooms(api, federation.to_leave, parties)
        tasks.repeat("hek_leaving_rooms", leaving.leave_what_is_noted, _LEAVE_EVERY_S)
