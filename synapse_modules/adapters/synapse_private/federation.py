"""Synapse's federation: which servers it speaks with at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from synapse.config import ConfigError
from synapse.config.federation import FederationConfig
from synapse.federation.transport.server.federation import FederationVersionServlet
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.bell import Bell
from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (
    Feature(FederationConfig, "is_domain_allowed_according_to_federation_whitelist", ("domain",)),
    Feature(FederationVersionServlet, "on_GET", ("origin",)),
)


class PrivateFederation:
    """What the public module API cannot do with other homeservers."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs
        whitelist = hs.config.federation.federation_domain_whitelist
        if whitelist is None or whitelist:
            raise ConfigError(
                "synapse_modules: homeserver.yaml's federation_domain_whitelist must be [] (an empty list): "
                "the module admits the servers of the federation list, and without it all or others would be admitted"
            )
        # Every place of Synapse that checks a server looks into this one object: authentication of requests, the HTTP
        # client, the sender, the media repository and the key server.
        self._admitted = whitelist
        self._followers: list[Callable[[], Awaitable[None]]] = []
        self._bell = Bell(hs, "hek_federation_list_changed", self._changed)

    def listen(self) -> None:
        """Has this process hear of every new list, and asks everybody who wants to know the version who he is.

        The latter is gemSpec_TI-M_Basis, A_26331.
        """
        self._bell.listen()
        FederationVersionServlet.REQUIRE_AUTH = True

    def admit(self, domains: Iterable[str]) -> None:
        """Speaks with these servers and with no other."""
        wanted = dict.fromkeys(domains, True)
        for domain in self._admitted.keys() - wanted.keys():
            del self._admitted[domain]
        self._admitted.update(wanted)

    def follow_list(self, follower: Callable[[], Awaitable[None]]) -> None:
        """Has something done in this process whenever another list was stored, by whatever process."""
        self._followers.append(follower)

    async def tell_of_list(self) -> None:
        """Tells every process at once that another list was stored."""
        await self._bell.ring("list")

    def _changed(self, _what: str) -> None:
        for follower in self._followers:
            self._hs.run_as_background_process("hek_federation_list_changed", follower)
