"""The catalogue refuses what a reader would stumble over."""

from datetime import UTC, date, datetime

import pytest

from messenger_core.catalogue import Catalogue, CatalogueError


def test_both_languages_are_given_in_german_first() -> None:
    catalogue = Catalogue({"hello": {"de": "Guten Tag, {name}.", "en": "Hello {name}."}})
    assert catalogue.both("hello", name="Erika") == "Guten Tag, Erika.\n\nHello Erika."
    assert catalogue.line("hello", name="Erika") == "Guten Tag, Erika. / Hello Erika."


def test_a_missing_language_is_refused() -> None:
    with pytest.raises(CatalogueError, match="hello"):
        Catalogue({"hello": {"de": "Guten Tag"}})


def test_other_placeholders_in_one_language_are_refused() -> None:
    with pytest.raises(CatalogueError, match="placeholders"):
        Catalogue({"hello": {"de": "Guten Tag, {name}", "en": "Hello"}})


@pytest.mark.parametrize("key", ["hello", "unknown"])
def test_an_unknown_text_or_a_missing_value_is_refused(key: str) -> None:
    catalogue = Catalogue({"hello": {"de": "{name}", "en": "{name}"}})
    with pytest.raises(CatalogueError, match=key):
        catalogue.text(key)


@pytest.mark.parametrize(
    ("value", "german", "english"),
    [
        (datetime(2026, 11, 24, 19, 15, tzinfo=UTC), "24.11.2026, 20:15", "24 Nov 2026, 20:15"),
        (datetime(2026, 7, 1, 22, 30, tzinfo=UTC), "02.07.2026, 00:30", "2 Jul 2026, 00:30"),
        (date(2027, 1, 5), "05.01.2027", "5 Jan 2027"),
        (1234, "1.234", "1,234"),
        (3, "3", "3"),
        ("2026-000001", "2026-000001", "2026-000001"),
        (None, "None", "None"),
    ],
)
def test_dates_and_numbers_are_written_as_the_language_does(value: object, german: str, english: str) -> None:
    catalogue = Catalogue({"value": {"de": "{value}", "en": "{value}"}})
    assert catalogue.text("value", "de", value=value) == german
    assert catalogue.text("value", "en", value=value) == english
