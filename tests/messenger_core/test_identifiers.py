"""KVNR, IK and Telematik-ID: published examples, and every single wrong digit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.identifiers import check_ik, check_kvnr, check_telematik_id, ik_check_digit, kvnr_check_digit


def test_published_numbers_are_accepted() -> None:
    assert check_kvnr("A123456780") == "A123456780"
    assert check_kvnr("X110411675") == "X110411675"
    assert check_ik("101570104") == "101570104"
    assert check_ik("109500969") == "109500969"


@given(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), st.text("0123456789", min_size=8, max_size=8), st.integers(1, 9))
def test_a_kvnr_with_another_check_digit_is_refused(letter: str, digits: str, off: int) -> None:
    right = kvnr_check_digit(letter, digits)
    assert check_kvnr(f"{letter}{digits}{right}")
    with pytest.raises(ValueError, match="check digit"):
        check_kvnr(f"{letter}{digits}{(right + off) % 10}")


@given(st.text("0123456789", min_size=8, max_size=8), st.integers(1, 9))
def test_an_ik_with_another_check_digit_is_refused(digits: str, off: int) -> None:
    right = ik_check_digit(digits)
    assert check_ik(f"{digits}{right}")
    with pytest.raises(ValueError, match="check digit"):
        check_ik(f"{digits}{(right + off) % 10}")


@given(st.from_regex(r"[A-Z][0-9]{9}|[0-9A-Z]{10}", fullmatch=True))
def test_a_refusal_never_repeats_the_number(value: str) -> None:
    refusal = ""
    try:
        check_kvnr(value)
    except ValueError as fault:
        refusal = str(fault)
    assert value not in refusal


@pytest.mark.parametrize("value", ["", "1", "1-", "x-1", "1-ä", "1-" + "a" * 200, "1-a b", "\n1-a"])
def test_what_is_no_telematik_id_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="Telematik-ID"):
        check_telematik_id(value)


def test_a_telematik_id_is_accepted() -> None:
    assert check_telematik_id("1-2arvtst-ap000052") == "1-2arvtst-ap000052"
