"""Synapse's kinds of token of a sign-in provider."""

from __future__ import annotations

from synapse.handlers.oidc import LogoutToken, OidcProvider

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (Feature(OidcProvider, "_verify_jwt", ("token", "claims_cls")),)


def is_logout_token(claims_class: type) -> bool:
    """Whether what a token is read as is a back-channel logout."""
    return issubclass(claims_class, LogoutToken)
