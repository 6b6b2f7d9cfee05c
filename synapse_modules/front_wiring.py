"""Wiring of what strangers reach first: sign-in, its pages, and what is counted against whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synapse.http.server import DirectServeHtmlResource
from synapse.module_api import ModuleApi

from messenger_core.catalogue import Catalogue
from messenger_core.client_address import client_address
from synapse_modules.adapters.device_name_gate import DeviceNameGate
from synapse_modules.adapters.logout_token_gate import LogoutTokenGate
from synapse_modules.adapters.page_gate import PageGate
from synapse_modules.adapters.request_heads import RequestHeads
from synapse_modules.adapters.sign_in_limit_gate import SignInLimitGate
from synapse_modules.adapters.synapse_private import SynapsePrivate
from synapse_modules.rules.senders import sender_of
from synapse_modules.settings import ModuleSettings

TEMPLATES = Path(__file__).parent / "templates"


def guard_front(api: ModuleApi, settings: ModuleSettings, synapse: SynapsePrivate) -> None:
    """Puts rules in front of connections and of requests of which nothing but the head has come; in every process.

    What then fails all the same, people read of on a page of ours.
    """
    pages: Any = DirectServeHtmlResource
    [pages.ERROR_TEMPLATE] = api.read_templates(["hek_error.html"], str(TEMPLATES))
    texts = Catalogue.of("synapse_modules")
    proxies = settings.trusted_proxies
    synapse.request_heads.read_by(RequestHeads(texts))
    synapse.request_heads.believe(lambda peer, forwarded: client_address(peer, forwarded, proxies))
    synapse.connections.limit(
        most=settings.max_connections,
        most_by_sender=settings.max_connections_per_address,
        sender_of=lambda address: sender_of(address, proxies),
    )


def front_gates(texts: Catalogue, synapse: SynapsePrivate) -> tuple[object, ...]:
    """Those of ``hooks.FRONT``."""
    return PageGate(texts), SignInLimitGate(synapse.sign_in_limits), DeviceNameGate(), LogoutTokenGate(texts)
