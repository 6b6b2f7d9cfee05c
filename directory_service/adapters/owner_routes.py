"""The routes of a practice's software: its token is good as long as the key that it was given for."""

from __future__ import annotations

from aiohttp import web

from directory_service.adapters.client_registry import PRACTICE_SCOPE
from directory_service.rules.standing import AccountFacts, Door, PracticeRight, Standing, standing
from directory_service.store.practices import PracticeStore
from messenger_core.http_service import GuardedHandler, GuardedRoutes
from messenger_core.problem import Problem
from messenger_core.service_auth.token_grant import Caller


class OwnerRoutes:
    """Adds routes that need a practice's access token, of its present epoch."""

    def __init__(self, routes: GuardedRoutes, practices: PracticeStore) -> None:
        self._routes = routes
        self._practices = practices

    def add(self, method: str, path: str, handler: GuardedHandler) -> None:
        """Adds one route."""

        async def checked(request: web.Request, caller: Caller) -> web.StreamResponse:
            practice = await self._practices.find(caller.client_id)
            right = None if practice is None else PracticeRight.of(practice)
            facts = AccountFacts(locks_known=False, locked=False, of_the_house=False, practice=right)
            if standing(Door.OWNER_API, facts, caller.epoch) is Standing.ENDED:
                raise Problem(
                    401,
                    "token-ended",
                    "The access token was given out before the practice had a new key, or withdrew; ask for a new one.",
                )
            return await handler(request, caller)

        self._routes.add(method, path, PRACTICE_SCOPE, checked)
