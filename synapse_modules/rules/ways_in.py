"""Which way in each kind of account has: one alone, and none for an account that nobody wrote down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from messenger_core.account_kinds import AccountKind
from synapse_modules.rules.reach import Party


@dataclass(frozen=True, slots=True)
class SignInProviders:
    """The homeserver's OpenID providers as Synapse names them."""

    insured: str
    staff: str


def may_sign_in(party: Party, provider: str | None, providers: SignInProviders) -> bool:
    """Whether an account may get a new device this way.

    An insured person is identified by her GesundheitsID for every device; whoever already has a device, an
    administrator or a token cannot make another one for her.

    Args:
        party: the account.
        provider: the OpenID provider that the person comes from; None for a sign-in by key.
        providers: which provider is whose.
    """
    own_way = {
        AccountKind.INSURED: providers.insured,
        AccountKind.AGENT: providers.staff,
        AccountKind.PRACTICE: None,
        AccountKind.SERVICE: None,
        AccountKind.ADMIN: None,
    }
    return party.live and party.kind is not None and own_way[party.kind] == provider


OTHER_WAYS: Mapping[str, Any] = {
    "enable_registration": False,
    "registration_shared_secret": None,
    "allow_guest_access": False,
    "password_config.enabled": False,
    "login_via_existing_session.enabled": False,
    "jwt_config.enabled": False,
    "cas_config.enabled": False,
    "saml2_config.enabled": False,
    "app_service_config_files": [],
    "matrix_authentication_service.enabled": False,
}
"""Settings of Synapse that would open another way in, with the only value that keeps it closed."""


def open_ways(settings: Mapping[str, Any]) -> list[str]:
    """One line for each setting of Synapse that opens another way in; empty if none does.

    Args:
        settings: what the homeserver's configuration says for each key of ``OTHER_WAYS``.
    """
    return [
        f"{key}: {'a value' if isinstance(settings[key], str) else repr(settings[key])} is not allowed: it must be "
        f"{closed!r}, since it would open a way in without GesundheitsID"
        for key, closed in OTHER_WAYS.items()
        if settings[key] != closed and (settings[key] or closed)
    ]
