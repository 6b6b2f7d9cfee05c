"""Lines that patients read: visible, on one line, and not empty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.plain_text import one_line


@pytest.mark.parametrize("text", ["Praxis Dr. Müller & Söhne", "HNO am Markt (1. Stock)", "Łódź-Praxis"])
def test_names_as_people_write_them_are_taken(text: str) -> None:
    assert one_line(text) == text


@pytest.mark.parametrize(
    "text", ["", " Praxis", "Praxis ", "Pra\nxis", "Pra\x00xis", "Praxis\u202e", "Pra\u200bxis", "Pra\u2028xis", "– –"]
)
def test_invisible_characters_and_empty_lines_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"it |only visible"):
        one_line(text)


@given(st.text())
def test_what_is_taken_can_be_printed_on_one_line(text: str) -> None:
    try:
        taken = one_line(text)
    except ValueError:
        return
    assert taken == text
    assert len(taken.splitlines()) == 1
