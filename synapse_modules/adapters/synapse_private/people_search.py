"""Synapse's search for people, behind the clients' search box."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from synapse.handlers.user_directory import UserDirectoryHandler
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature

PeopleSearch = Callable[[str, str, int], Awaitable[Any]]
FEATURES = (Feature(UserDirectoryHandler, "search_users", ("user_id", "search_term", "limit")),)


class PrivatePeopleSearch:
    """What the public module API cannot do with the search box."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def wrap(self, wrap: Callable[[PeopleSearch], PeopleSearch]) -> None:
        """Puts a search of ours in front of the one that answers the clients' search box."""
        handler = self._hs.get_user_directory_handler()
        handler.search_users = wrap(handler.search_users)  # type: ignore[method-assign, assignment]
