"""The mark that tells a practice that nobody reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_modules.rules.unreachable_mark import is_marked, marked


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Erika Muster", "Erika Muster – nicht mehr erreichbar"),
        ("Erika Muster – nicht mehr erreichbar", "Erika Muster – nicht mehr erreichbar"),
        (None, "– nicht mehr erreichbar"),
        ("", "– nicht mehr erreichbar"),
    ],
)
def test_a_name_bears_the_mark_once(name: str | None, shown: str) -> None:
    assert marked(name) == shown


@given(st.none() | st.text())
def test_marking_again_changes_nothing_and_is_seen(name: str | None) -> None:
    assert marked(marked(name)) == marked(name)
    assert is_marked(marked(name))
