"""The catalogue refuses what a reader would stumble over."""

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
