"""The catalogue of texts for people: German first, English beside it, one YAML file a component."""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import date, datetime
from importlib import resources
from typing import Literal

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_decimal

from messenger_core.calendar_periods import BERLIN
from messenger_core.yaml_text import read_yaml

Language = Literal["de", "en"]
_LANGUAGES: tuple[Language, ...] = ("de", "en")
_LOCALES: Mapping[Language, Locale] = {"de": Locale("de", "DE"), "en": Locale("en", "GB")}


class CatalogueError(Exception):
    """A text is missing, or its two languages do not fit together."""


def in_language(value: object, language: Language) -> object:
    """A value as it stands in a text: dates, moments (in Europe/Berlin) and numbers as the language writes them."""
    locale = _LOCALES[language]
    if isinstance(value, datetime):
        local = value.astimezone(BERLIN)
        # Without the zone's name Babel takes UTC.
        day, time = format_date(local, "medium", locale), format_time(local, "short", tzinfo=BERLIN, locale=locale)
        return f"{day}, {time}"
    if isinstance(value, date):
        return format_date(value, "medium", locale)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_decimal(value, locale=locale)
    return value


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


class Catalogue:
    """The texts of one component, checked when they are loaded.

    Each entry has a ``de`` and an ``en`` text with the same ``{placeholders}``.
    """

    def __init__(self, entries: Mapping[str, Mapping[str, str]]) -> None:
        """Takes ``{key: {"de": …, "en": …}}``.

        Raises:
            CatalogueError: if a language is missing or the placeholders differ.
        """
        for key, texts in entries.items():
            if set(texts) != set(_LANGUAGES):
                raise CatalogueError(f"text {key!r} needs exactly the languages de and en, it has {sorted(texts)}")
            if _placeholders(texts["de"]) != _placeholders(texts["en"]):
                raise CatalogueError(f"text {key!r} has other placeholders in German than in English")
        self._entries = {key: dict(texts) for key, texts in entries.items()}

    @classmethod
    def of(cls, package: str) -> Catalogue:
        """Loads ``texts.yaml`` of a package, e.g. ``Catalogue.of("bridge_bot")``."""
        return cls(read_yaml(resources.files(package).joinpath("texts.yaml").read_text(encoding="utf-8")))

    def text(self, key: str, language: Language = "de", /, **values: object) -> str:
        """The text in one language; values as ``in_language`` writes them.

        Raises:
            CatalogueError: if there is no such text, or a placeholder has no value.
        """
        try:
            text = self._entries[key][language].strip()
            return text.format(**{name: in_language(value, language) for name, value in values.items()})
        except KeyError as missing:
            raise CatalogueError(f"text {key!r} does not exist or lacks the value {missing}") from None

    def both(self, key: str, /, **values: object) -> str:
        """The German text, an empty line, and the English one: for places where a reader's language is unknown."""
        return f"{self.text(key, 'de', **values)}\n\n{self.text(key, 'en', **values)}"

    def line(self, key: str, /, **values: object) -> str:
        """German and English in one line, for errors that a Matrix client shows as they are."""
        return f"{self.text(key, 'de', **values)} / {self.text(key, 'en', **values)}"

    def keys(self) -> frozenset[str]:
        """The keys of all entries."""
        return frozenset(self._entries)
