"""The invited side decides: a person's or practice's own permission configuration (gemSpec_TI-M_Basis, A_25258)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from messenger_core.account_kinds import AccountKind

ACCOUNT_DATA_TYPES: Mapping[AccountKind, str] = {
    AccountKind.INSURED: "de.gematik.tim.account.permissionconfig.epa.v1",
    AccountKind.PRACTICE: "de.gematik.tim.account.permissionconfig.pro.v1",
}
"""Where each kind of account keeps its configuration (A_26389); other kinds have none and let themselves be invited."""
_SETTINGS = {"allow all": True, "block all": False}
_INSURED_GROUP = {"groupName": "isInsuredPerson"}


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may invite: everybody but the exceptions, or nobody but the exceptions."""

    allows_all: bool
    servers: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    insured_people: bool = False
    """Whether all insured people are an exception; practices can say so with one switch."""

    def admits(self, inviter: str, *, inviter_is_insured: bool) -> bool:
        """Whether a user may invite the owner of this configuration."""
        _, _, server = inviter.partition(":")
        is_exception = inviter in self.users or server in self.servers or (self.insured_people and inviter_is_insured)
        return self.allows_all is not is_exception


def _names(value: object, *, users: bool) -> frozenset[str] | None:
    """The keys of a map of exceptions; None if it has another form."""
    if not isinstance(value, Mapping) or not all(isinstance(entry, Mapping) for entry in value.values()):
        return None
    if users and not all(name.startswith("@") for name in value):
        return None
    return frozenset(value)


def _names_insured_people(value: object) -> bool | None:
    """Whether the group of insured people is among the exceptions; None if it is no list of different groups."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    if any(one == other for number, one in enumerate(value) for other in value[:number]):
        return None
    return any(isinstance(group, Mapping) and dict(group) == _INSURED_GROUP for group in value)


def read_permission(content: object, kind: AccountKind) -> Permission | None:
    """Reads a configuration as gematik's schema of its kind has it; None if it is malformed.

    Args:
        content: the account data, which may hold anything.
        kind: ``INSURED`` or ``PRACTICE``; groups are known to practices alone.
    """
    if not isinstance(content, Mapping):
        return None
    setting = content.get("defaultSetting")
    servers = _names(content.get("serverExceptions", {}), users=False)
    users = _names(content.get("userExceptions", {}), users=True)
    insured_people: bool | None = False
    if kind is AccountKind.PRACTICE:
        insured_people = _names_insured_people(content.get("groupExceptions", []))
    if not isinstance(setting, str) or setting not in _SETTINGS:
        return None
    if servers is None or users is None or insured_people is None:
        return None
    return Permission(_SETTINGS[setting], servers, users, insured_people)
