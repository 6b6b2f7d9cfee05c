"""Names of accounts: pseudonyms for insured people and practices, spoken names for agents."""

from __future__ import annotations

import secrets

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_INSURED_LENGTH = 22
_PRACTICE_LENGTH = 10


def _random(length: int) -> str:
    return "".join(secrets.choice(_BASE32) for _ in range(length))


def new_insured_localpart() -> str:
    """A pseudonym that says nothing about the person: 110 random bits."""
    return "v" + _random(_INSURED_LENGTH)


def kvnr_localpart(kvnr: str, number: int) -> str:
    """The name that gematik's rule gives an insured person (A_25706): her KVNR in lower case.

    Args:
        kvnr: her KVNR.
        number: 1 for her first account; a later one, after an earlier was deactivated, carries its number, since a name
            is never given twice.
    """
    return kvnr.lower() if number == 1 else f"{kvnr.lower()}-{number}"


def new_practice_localpart() -> str:
    """A name for a practice that tells its kind alone."""
    return "praxis-" + _random(_PRACTICE_LENGTH)


def agent_localpart(preferred_username: str) -> str:
    """The name of an agent's account."""
    return f"agent.{preferred_username}"
