"""Search values: commas, escapes, quotation marks, tokens; the traps that gematik's directory documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.fhir.values import (
    Coded,
    FaultyParameter,
    TokenValue,
    alternatives,
    pieces,
    plain,
    unescaped,
    words_begin,
)
from directory_service.rules.folding import words
from directory_service.search.fhir.texts import TextSearch, read_text


def test_a_comma_separates_unless_it_is_escaped() -> None:
    assert [unescaped(part) for part in alternatives("name", r"Müller\, Sommer,Köln")] == ["Müller, Sommer", "Köln"]


def test_every_escape_of_fhir_is_the_character_behind_it() -> None:
    assert unescaped(r"a\,b\|c\$d\\e\xf" + "\\") == r"a,b|c$d\e\xf" + "\\"


def test_a_comma_inside_quotation_marks_separates_nothing() -> None:
    assert pieces('"Müller, Sommer",Köln', ",", quotes=True) == ['"Müller, Sommer"', "Köln"]


@given(st.lists(st.text(st.characters(exclude_characters="\\"), min_size=1, max_size=9), min_size=1, max_size=5))
def test_what_was_escaped_comes_back(values: list[str]) -> None:
    sent = ",".join(value.replace(",", r"\,").replace("|", r"\|").replace("$", r"\$") for value in values)
    assert [unescaped(part) for part in pieces(sent, ",")] == values


@pytest.mark.parametrize(("value", "reason"), [("", "empty"), ("a,", "empty"), ("a," * 64 + "a", "too-many")])
def test_faulty_values_are_refused(value: str, reason: str) -> None:
    with pytest.raises(FaultyParameter) as fault:
        alternatives("name", value)
    assert fault.value.reason == reason


CODED = Coded("urn:x", "ABC", "Ärztin/Arzt")


@pytest.mark.parametrize(
    ("token", "fits"),
    [
        ("ABC", True),
        ("abc", True),
        ("urn:x|ABC", True),
        ("urn:x|", True),
        ("urn:y|ABC", False),
        ("|ABC", False),
        ("AB", False),
    ],
)
def test_a_token_is_a_code_with_or_without_its_system(token: str, fits: bool) -> None:
    assert TokenValue.read(token).fits(CODED) is fits


@pytest.mark.parametrize("wanted", ["Arzt/Ärztin", "arzt aerztin", "ÄRZTIN", "Ärztin/Arzt"])
def test_a_slash_in_a_display_is_no_obstacle(wanted: str) -> None:
    assert words_begin(words(wanted), plain(CODED.text))


def test_texts_begin_with_what_is_wanted_in_every_spelling() -> None:
    assert plain("Müller").startswith(plain("muel"))
    assert plain("Bad Homburg").startswith(plain("Bad  Hom"))
    assert plain("Straße 1").startswith(plain("Strasse"))
    assert not plain("Alt-Berlin").startswith(plain("Berlin"))


def test_words_of_a_text_must_all_fit_and_commas_mean_or() -> None:
    assert read_text("_text", "Hausarzt Hamburg,Köln", operators=False) == (
        TextSearch(("hausarzt", "hamburg"), verbatim="Hausarzt Hamburg"),
        TextSearch(("koln",), verbatim="Köln"),
    )


def test_quotation_marks_hold_words_together_with_their_comma() -> None:
    (text,) = read_text("_text", '"Müller, Sommer" Köln', operators=False)
    assert (text.words, text.phrases) == (("muller", "sommer", "koln"), (" muller sommer ",))


def test_operators_mean_something_only_when_asked_for() -> None:
    assert read_text("_text", "a|b -c", operators=False)[0].words == ("a", "b", "c")
    one, other = read_text("_text", 'a|+b* c~2 -d -"e f"', operators=True)
    assert one.words == ("a",)
    assert (other.words, other.without) == (("b", "c"), (" d ", " e f "))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "no-word"),
        ("…", "no-word"),
        ("a,", "no-word"),
        ("-a", "no-word"),
        (" ".join(map(str, range(33))), "too-many-words"),
    ],
)
def test_a_text_needs_words_and_not_too_many(value: str, reason: str) -> None:
    with pytest.raises(FaultyParameter) as fault:
        read_text("_text", value, operators=True)
    assert fault.value.reason == reason


@given(st.text(max_size=80), st.booleans())
def test_any_text_is_understood_or_refused(value: str, operators: bool) -> None:
    reason: str | None = None
    found: tuple[TextSearch, ...] = ()
    try:
        found = read_text("_text", value, operators=operators)
    except FaultyParameter as fault:
        reason = fault.reason
    assert reason in {None, "no-word", "too-many-words"}
    assert all(text.words for text in found)
