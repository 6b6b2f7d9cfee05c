"""Synapse's other ways in: which its configuration opens, and the one that it cannot close, signing in as somebody."""

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
    """What the public module API does not say of sign-ins, and does not let a module refuse."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def settings(self) -> dict[str, Any]:
        """What the homeserver's configuration says of every way in that is not ours, by the key in its file."""
        config = self._hs.config
        return {
            "enable_registration": config.registration.enable_registration,
            "registration_shared_secret": config.registration.registration_shared_secret,
            "allow_guest_access": config.registration.allow_guest_access,
            "password_config.enabled": config.auth.password_enabled_for_login
            or config.auth.password_enabled_for_reauth,
            "login_via_existing_session.enabled": config.auth.login_via_existing_enabled,
            "jwt_config.enabled": config.jwt.jwt_enabled,
            "cas_config.enabled": bool(config.cas.cas_enabled),
            "saml2_config.enabled": config.saml2.saml2_enabled,
            "app_service_config_files": config.appservice.app_service_config_files,
            "matrix_authentication_service.enabled": config.mas.enabled,
        }

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
