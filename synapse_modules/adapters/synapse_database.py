"""Runs the stores' transactions through Synapse's public module API."""

from __future__ import annotations

from collections.abc import Callable

from synapse.module_api import ModuleApi

from synapse_modules.store.interaction import Result, Transaction


class SynapseDatabase:
    """``store.interaction.Database`` on Synapse's own database."""

    def __init__(self, api: ModuleApi) -> None:
        self._api = api

    async def run(self, description: str, work: Callable[[Transaction], Result]) -> Result:
        """Runs ``work`` in one transaction."""
        return await self._api.run_db_interaction(description, work)
