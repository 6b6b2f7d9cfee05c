"""Admission by example and by property."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_modules.rules.admission import (
    INSURER_CLAIM,
    KVNR_CLAIM,
    NAME_CLAIM,
    PROFESSION_CLAIM,
    AdmittedAgent,
    AdmittedPerson,
    RefusalReason,
    RefusedSignIn,
    decide,
    decide_agent,
    shown_name,
)

IK = "101570104"
ERIKA: dict[str, Any] = {
    KVNR_CLAIM: "A123456780",
    INSURER_CLAIM: IK,
    PROFESSION_CLAIM: "1.2.276.0.76.4.49",
    NAME_CLAIM: "Erika  Muster\n",
    "acr": "gematik-ehealth-loa-high",
}


def decided(claims: dict[str, Any], *, test_numbers: bool = False) -> AdmittedPerson | RefusedSignIn:
    return decide(claims, insurer_ik=IK, admit_test_numbers=test_numbers)


def test_an_insured_person_at_the_high_level_gets_in() -> None:
    assert decided(ERIKA) == AdmittedPerson("A123456780", "Erika Muster")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({PROFESSION_CLAIM: "1.2.276.0.76.4.30"}, RefusalReason.NOT_AN_INSURED_PERSON),
        ({INSURER_CLAIM: "109500969"}, RefusalReason.OTHER_INSURER),
        ({"acr": "gematik-ehealth-loa-substantial"}, RefusalReason.WEAK_SIGN_IN),
        ({KVNR_CLAIM: "A123456789"}, RefusalReason.KVNR_NOT_VALID),
        ({KVNR_CLAIM: None}, RefusalReason.CLAIMS_MISSING),
        ({NAME_CLAIM: "\u200b"}, RefusalReason.NAME_MISSING),
    ],
)
def test_each_fault_has_its_own_reason(changed: dict[str, Any], reason: RefusalReason) -> None:
    assert decided(ERIKA | changed) == RefusedSignIn(reason)


def test_test_numbers_get_in_only_where_they_are_admitted() -> None:
    tester = ERIKA | {KVNR_CLAIM: "X110000000"}
    assert decided(tester) == RefusedSignIn(RefusalReason.KVNR_NOT_VALID)
    assert decided(tester, test_numbers=True) == AdmittedPerson("X110000000", "Erika Muster")
    assert decided(ERIKA | {KVNR_CLAIM: "nonsense"}, test_numbers=True) == RefusedSignIn(RefusalReason.KVNR_NOT_VALID)


@given(st.sampled_from(sorted(ERIKA)), st.none() | st.integers() | st.text() | st.lists(st.text()))
def test_whatever_stands_in_a_claim_only_the_agreed_values_get_in(name: str, value: object) -> None:
    decision = decided(ERIKA | {name: value})
    if isinstance(decision, AdmittedPerson):
        assert name in (NAME_CLAIM, KVNR_CLAIM) or value == ERIKA[name]


@given(st.text())
def test_a_shown_name_is_one_line_of_bounded_length(value: str) -> None:
    name = shown_name(value)
    assert len(name) <= 250
    assert name == " ".join(name.split())
    assert name.isprintable()


def test_agents_get_in_under_plain_names_alone() -> None:
    assert decide_agent({"preferred_username": "berg", "name": "Anna Berg"}) == AdmittedAgent("berg", "Anna Berg")
    for username in ("Berg", "berg:evil", "", None, "x" * 50, "-berg"):
        refused = decide_agent({"preferred_username": username, "name": "Anna Berg"})
        assert refused == RefusedSignIn(RefusalReason.STAFF_NAME_NOT_VALID)
    assert decide_agent({"preferred_username": "berg"}) == RefusedSignIn(RefusalReason.NAME_MISSING)
