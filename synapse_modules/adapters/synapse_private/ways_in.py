"""Synapse's other way in that no setting closes: signing in as somebody."""

from __future__ import annotations

import inspect
from typing import Any

from synapse.api.errors import Codes, SynapseError
from synapse.handlers.auth import AuthHandler
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (
    Feature(
        AuthHandler, "create_access_token_for_user_id", ("user_id", "device_id", "valid_until_ms", "puppets_user_id")
    ),
)


class PrivateWaysIn:
    """What the public module API does not let a module refuse of sign-ins."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def close_signing_in_as_somebody(self, refusal: str) -> None:
        """Refuses the administrators' call that gives them a token for somebody else's account; no callback sees it.

        Args:
            refusal: the text of the refusal.
        """
        handler = self._hs.get_auth_handler()
        create = handler.create_access_token_for_user_id
        form = inspect.signature(create)

        async def only_for_oneself(*args: Any, **kwargs: Any) -> str:
            if form.bind(*args, **kwargs).arguments.get("puppets_user_id") is not None:
                raise SynapseError(403, refusal, Codes.FORBIDDEN)
            return await create(*args, **kwargs)

        handler.create_access_token_for_user_id = only_for_oneself  # type: ignore[method-assign]
