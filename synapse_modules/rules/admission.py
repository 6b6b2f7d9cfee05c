"""Admission: what a GesundheitsID must say before somebody gets in (claims of gemSpec_IDP_Sek)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from messenger_core.identifiers import check_kvnr, ik_check_digit
from messenger_core.people_names import without_unshown

KVNR_CLAIM = "urn:telematik:claims:id"
INSURER_CLAIM = "urn:telematik:claims:organization"
PROFESSION_CLAIM = "urn:telematik:claims:profession"
NAME_CLAIM = "urn:telematik:display_name"
PROFESSION_INSURED = "1.2.276.0.76.4.49"
LEVEL_HIGH = "gematik-ehealth-loa-high"
SINGLE_SIGN_ON = "urn:telematik:auth:sso"
INTERACTION_CLAIM = "urn:telematik:auth:interactive"
IK_FORM = re.compile(r"[0-9]{9}")
# Synapse allows 256 characters.
_LONGEST_NAME = 250
_KVNR_FORM = re.compile(r"[A-Z][0-9]{9}")
_AGENT_NAME = re.compile(r"[a-z][a-z0-9.-]{0,39}")


class RefusalReason(StrEnum):
    """Why somebody does not get in; each has a text of its own in ``texts.yaml``."""

    CLAIMS_MISSING = "claims-missing"
    NOT_AN_INSURED_PERSON = "not-an-insured-person"
    INSURER_NOT_VALID = "insurer-not-valid"
    OTHER_INSURER = "other-insurer"
    INSURER_CHANGED = "insurer-changed"
    """As before, and the account that she has is locked because of it."""
    WEAK_SIGN_IN = "weak-sign-in"
    NOT_IDENTIFIED_ANEW = "not-identified-anew"
    KVNR_NOT_VALID = "kvnr-not-valid"
    NAME_MISSING = "name-missing"
    MEMBERSHIP_ENDED = "membership-ended"
    ACCOUNT_LOCKED = "account-locked"
    ACCOUNT_BEING_REMOVED = "account-being-removed"
    STAFF_NAME_NOT_VALID = "staff-name-not-valid"
    TRY_AGAIN = "try-again"


@dataclass(frozen=True, slots=True)
class AdmittedPerson:
    """An insured person of this insurer, identified at the high level."""

    kvnr: str
    display_name: str


@dataclass(frozen=True, slots=True)
class AdmittedAgent:
    """Somebody who works for the insurer."""

    preferred_username: str
    display_name: str


@dataclass(frozen=True, slots=True)
class RefusedSignIn:
    """Somebody who does not get in."""

    reason: RefusalReason


def checked_kvnr(value: str, *, admit_test_numbers: bool) -> str:
    """Returns ``value`` if it is a KVNR.

    Args:
        value: what may be one.
        admit_test_numbers: whether wrong check digits are let through, as test cards have them.

    Raises:
        ValueError: in words that do not repeat the number.
    """
    if admit_test_numbers and _KVNR_FORM.fullmatch(value):
        return value
    return check_kvnr(value)


def claimed_kvnr(claims: Mapping[str, object], *, admit_test_numbers: bool) -> str | None:
    """The KVNR of the claims, or None if there is no valid one."""
    value = claims.get(KVNR_CLAIM)
    try:
        return checked_kvnr(value, admit_test_numbers=admit_test_numbers) if isinstance(value, str) else None
    except ValueError:
        return None


def _is_ik(value: str, *, admit_test_numbers: bool) -> bool:
    if IK_FORM.fullmatch(value) is None:
        return False
    return admit_test_numbers or ik_check_digit(value[:8]) == int(value[8])


def _is_silent(claims: Mapping[str, object]) -> bool:
    """Whether an earlier sign-in was used again instead of identifying the person (claims of both token versions)."""
    methods = claims.get("amr")
    reused = isinstance(methods, list) and SINGLE_SIGN_ON in methods
    return reused or claims.get(INTERACTION_CLAIM) == "silent"


def decide(
    claims: Mapping[str, object], *, insurer_ik: str, admit_test_numbers: bool
) -> AdmittedPerson | RefusedSignIn:
    """Whether the person of a GesundheitsID's claims gets in.

    Args:
        claims: the claims of the ID token.
        insurer_ik: the institution code of this insurer.
        admit_test_numbers: see ``checked_kvnr``.
    """
    reason = next(_reasons_to_refuse(claims, insurer_ik=insurer_ik, admit_test_numbers=admit_test_numbers), None)
    if reason is not None:
        return RefusedSignIn(reason)
    return AdmittedPerson(str(claims[KVNR_CLAIM]), shown_name(claims[NAME_CLAIM]))


def _reasons_to_refuse(
    claims: Mapping[str, object], *, insurer_ik: str, admit_test_numbers: bool
) -> Iterator[RefusalReason]:
    """The reasons in the order in which they matter; what comes after the first one may make no sense."""
    if any(not isinstance(claims.get(name), str) for name in (KVNR_CLAIM, INSURER_CLAIM, PROFESSION_CLAIM, "acr")):
        yield RefusalReason.CLAIMS_MISSING
    if claims[PROFESSION_CLAIM] != PROFESSION_INSURED:
        yield RefusalReason.NOT_AN_INSURED_PERSON
    if not _is_ik(str(claims[INSURER_CLAIM]), admit_test_numbers=admit_test_numbers):
        yield RefusalReason.INSURER_NOT_VALID
    if claims[INSURER_CLAIM] != insurer_ik:
        yield RefusalReason.OTHER_INSURER
    if claims["acr"] != LEVEL_HIGH:
        yield RefusalReason.WEAK_SIGN_IN
    if _is_silent(claims):
        yield RefusalReason.NOT_IDENTIFIED_ANEW
    if claimed_kvnr(claims, admit_test_numbers=admit_test_numbers) is None:
        yield RefusalReason.KVNR_NOT_VALID
    if not shown_name(claims.get(NAME_CLAIM)):
        yield RefusalReason.NAME_MISSING


def names_other_insurer(claims: Mapping[str, object], *, insurer_ik: str, admit_test_numbers: bool) -> bool:
    """Whether a GesundheitsID says for certain that its owner, an insured person, is insured elsewhere.

    Only an identification at the high level with a valid KVNR is certain enough to lock an account because of it.
    """
    insurer = claims.get(INSURER_CLAIM)
    return (
        claims.get("acr") == LEVEL_HIGH
        and claims.get(PROFESSION_CLAIM) == PROFESSION_INSURED
        and isinstance(insurer, str)
        and insurer not in {"", insurer_ik}
        and claimed_kvnr(claims, admit_test_numbers=admit_test_numbers) is not None
    )


def decide_agent(claims: Mapping[str, object]) -> AdmittedAgent | RefusedSignIn:
    """Whether somebody of the staff provider gets in."""
    username, name = claims.get("preferred_username"), shown_name(claims.get("name"))
    if not isinstance(username, str) or not _AGENT_NAME.fullmatch(username):
        return RefusedSignIn(RefusalReason.STAFF_NAME_NOT_VALID)
    return AdmittedAgent(username, name) if name else RefusedSignIn(RefusalReason.NAME_MISSING)


def shown_name(value: object) -> str:
    """A name as one line of what is shown of it; empty if there is nothing."""
    if not isinstance(value, str):
        return ""
    shown = without_unshown("".join(" " if letter.isspace() else letter for letter in value))
    return " ".join(shown.split())[:_LONGEST_NAME]
