"""Nobody bears a name that shows nothing, turns the text around, or passes for the house's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.people_names import (
    NameFault,
    is_unshown,
    letter_fault,
    name_fault,
    reserved_names,
    skeletons,
    without_unshown,
)

HOUSE = reserved_names(["HEK", "HEK Service", "Hanseatische Krankenkasse"], ["Praxis Dr. Hek"])


@pytest.mark.parametrize(
    "name",
    [
        "HEK",
        "hek",
        "HEK Service",
        "Service der HEK",
        "HEK-Kundenservice Hamburg",
        "H E K",
        "H.E.K.",
        "НЕК",  # Cyrillic
        "нек",
        "ΗΕΚ Service",  # Greek
        "HEК Serviсe",  # mixed
        "ＨＥＫ",  # full width
        "𝐇𝐄𝐊 Service",
        "HÉK",
        "ℋek",
        "HEK🏥",
        "Hanseatische Krankenkasse",
        "HanseatischeKrankenkasse",
        "Hanseatlsche Krankenkasse",  # l for i
        "Hanseatische  Krankenkasse Team",
    ],
)
def test_the_houses_names_are_reserved_however_they_are_written(name: str) -> None:
    assert name_fault(name, HOUSE) is NameFault.RESERVED


@pytest.mark.parametrize(
    "name",
    [
        "Hausarztpraxis Sommer",
        "Dr. med. Hekmat Azizi",
        "Praxis Schekow",
        "Praxis Dr. Hek",
        "Krankenkasse und Praxis",
        "Žižkov-Praxis Dr. Đorđević",
        "Practice of Dr. Nguyễn Thị Hạnh",
        "Praxis Υγεία",
        "Augenärzte am Rathaus (MVZ) 2",
    ],
)
def test_other_names_are_free(name: str) -> None:
    assert name_fault(name, HOUSE) is None


@pytest.mark.parametrize(
    "letter",
    [
        "\u3164",
        "\u034f",
        "\u2800",
        "\ufe0f",
        "\u061c",
        "\u200b",
        "\u202e",
        "\u2066",
        "\u00ad",
        "\U000e0041",
        "\x00",
        "\n",
    ],
)
def test_letters_that_show_nothing_are_refused_and_hide_nothing(letter: str) -> None:
    assert letter_fault(f"Pra{letter}xis") is NameFault.UNSHOWN_LETTER
    assert HOUSE.are_in(f"H{letter}EK")
    assert without_unshown(f"Pra{letter}xis") == "Praxis"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", NameFault.EMPTY),
        ("  ", NameFault.EMPTY),
        ("a" * 256, NameFault.TOO_LONG),
        ("a" * 255, None),
        ("Z\u0335\u0336\u0337\u0338algo", NameFault.TOO_MANY_MARKS),
    ],
)
def test_a_name_has_a_size(name: str, fault: NameFault | None) -> None:
    assert letter_fault(name) is fault


@given(st.text(max_size=40))
def test_what_is_without_unshown_letters_has_none(text: str) -> None:
    shown = without_unshown(text)
    assert not any(map(is_unshown, shown))
    assert skeletons(shown) == skeletons(text)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20))
def test_a_name_looks_like_itself_in_any_case(name: str) -> None:
    assert skeletons(name) & skeletons(name.upper())


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=20))
def test_whatever_follows_the_houses_name_it_stays_reserved(rest: str) -> None:
    assert reserved_names(["HEK"]).are_in(f"HEK: {rest}")
