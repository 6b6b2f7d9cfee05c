"""Wiring of what strangers reach first: sign-in, its pages, and what is counted against whom."""

from __future__ import annotations

from messenger_core.catalogue import Catalogue
from messenger_core.client_address import client_address
from messenger_core.homeserver_interface import KEY_LOGIN_TYPE
from synapse_modules.adapters.request_heads import RequestHeads
from synapse_modules.adapters.synapse_private import SynapsePrivate
from synapse_modules.rules.admission import shown_name
from synapse_modules.rules.pages import WITHOUT_SCRIPTS, policy_of
from synapse_modules.rules.return_addresses import is_return_address
from synapse_modules.rules.senders import failed_proof_key, sender_of
from synapse_modules.settings import ModuleSettings


def guard_front(settings: ModuleSettings, synapse: SynapsePrivate) -> None:
    """Puts the front's rules in front of Synapse's own answers; in every process."""
    texts = Catalogue.of("synapse_modules")
    proxies = settings.trusted_proxies
    synapse.request_heads.read_by(RequestHeads(texts))
    synapse.request_heads.believe(lambda peer, forwarded: client_address(peer, forwarded, proxies))
    synapse.connections.limit(
        most=settings.max_connections,
        most_by_sender=settings.max_connections_per_address,
        sender_of=lambda address: sender_of(address, proxies),
    )
    synapse.pages.show_with(policy_of, WITHOUT_SCRIPTS)
    synapse.pages.return_only_to(is_return_address, texts.line("return-address-refused"))
    synapse.device_names.take(shown_name)
    synapse.logout_tokens.refuse(texts.line("logout-token-refused"))
    synapse.sign_in_limits.count_failed_proofs_by(KEY_LOGIN_TYPE, failed_proof_key)
    synapse.sign_in_limits.count_invitations_by_both()
