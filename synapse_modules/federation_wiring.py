"""Wiring of federation with other homeservers; without its settings nothing of another server is admitted."""

from __future__ import annotations

from synapse.module_api import ModuleApi

from synapse_modules.adapters.federation_requests import FederationRequests
from synapse_modules.adapters.listed_servers import ListedServers
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.synapse_database import SynapseDatabase
from synapse_modules.adapters.synapse_private import SynapsePrivate
from synapse_modules.adapters.tim_information import PATH, TimInformation
from synapse_modules.settings import Configuration
from synapse_modules.store.common_rooms import CommonRooms
from synapse_modules.store.federation import FederationLists


def open_federation(
    api: ModuleApi,
    config: Configuration,
    synapse: SynapsePrivate,
    database: SynapseDatabase,
    *,
    parties: Parties,
) -> None:
    """Admits the servers of the federation list, under the rules of ``FederationRequests``."""
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
    parties.ask_about_others(servers.kind_of)
    synapse.federated_requests.close(FederationRequests(CommonRooms(database)))
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
    servers.start()
