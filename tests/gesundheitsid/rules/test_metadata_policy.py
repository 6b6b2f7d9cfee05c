"""A superior's policy: each operator by example (OpenID Federation 1.0, 6.1.3), and that nothing slips through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesundheitsid.rules.metadata_policy import apply_policy
from gesundheitsid.rules.refusals import Reason, SignInRefused

WORDS = st.lists(st.sampled_from("abcdef"), unique=True)


@pytest.mark.parametrize(
    ("metadata", "rule", "expected"),
    [
        ({}, {"value": "x"}, {"p": "x"}),
        ({"p": "y"}, {"value": "x"}, {"p": "x"}),
        ({"p": ["a"]}, {"add": ["a", "b"]}, {"p": ["a", "b"]}),
        ({}, {"default": "x"}, {"p": "x"}),
        ({"p": "y"}, {"default": "x"}, {"p": "y"}),
        ({"p": "y"}, {"one_of": ["x", "y"]}, {"p": "y"}),
        ({"p": ["a", "z"]}, {"subset_of": ["a", "b"]}, {"p": ["a"]}),
        ({"p": ["a", "b", "c"]}, {"superset_of": ["a", "b"]}, {"p": ["a", "b", "c"]}),
        ({"p": "y"}, {"essential": True}, {"p": "y"}),
        ({}, {"one_of": ["x"]}, {}),
        ({}, {"unknown": "x"}, {}),
    ],
)
def test_what_fits(metadata: dict[str, Any], rule: dict[str, Any], expected: dict[str, Any]) -> None:
    assert apply_policy(metadata, {"p": rule}) == expected


@pytest.mark.parametrize(
    ("metadata", "rule"),
    [
        ({}, {"essential": True}),
        ({"p": "z"}, {"one_of": ["x", "y"]}),
        ({"p": ["z"]}, {"subset_of": ["a"]}),
        ({"p": ["a"]}, {"superset_of": ["a", "b"]}),
    ],
)
def test_what_does_not_fit(metadata: dict[str, Any], rule: dict[str, Any]) -> None:
    with pytest.raises(SignInRefused) as refusal:
        apply_policy(metadata, {"p": rule})
    assert refusal.value.reason is Reason.METADATA_REFUSED


def test_a_critical_operator_must_be_understood() -> None:
    assert apply_policy({"p": 1}, {}, critical=frozenset({"one_of"})) == {"p": 1}
    with pytest.raises(SignInRefused):
        apply_policy({"p": 1}, {}, critical=frozenset({"regexp"}))


@given(held=WORDS, allowed=WORDS, demanded=WORDS)
def test_what_passes_obeys_the_policy(held: list[str], allowed: list[str], demanded: list[str]) -> None:
    try:
        result = apply_policy({"p": held}, {"p": {"subset_of": allowed, "superset_of": demanded}})
    except SignInRefused:
        return
    assert set(demanded) <= set(result["p"]) <= set(allowed) & set(held)
