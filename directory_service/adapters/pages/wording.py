"""How days, times, distances and the facts of a practice are said on the pages, in one language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from directory_service.rules.opening_hours import WEEKDAYS, TimeBlock
from directory_service.rules.specialties import SpecialtyTable
from messenger_core.catalogue import Catalogue, Language

SPOKEN = (
    "de", "en", "ar", "bg", "cs", "da", "el", "es", "fa", "fr", "hr", "hu", "it", "ku", "nl", "pl", "pt", "ro", "ru",
    "sq", "sr", "tr", "uk", "vi", "zh", "gsg",
)  # fmt: skip
"""Languages that the pages offer: those most spoken in Germany, and German sign language."""


class Wording:
    """Says things in one language."""

    def __init__(self, texts: Catalogue, language: Language, specialties: SpecialtyTable) -> None:
        self._texts = texts
        self._specialties = specialties
        self.language: Language = language

    def text(self, key: str, /, **values: object) -> str:
        """A text of the catalogue."""
        return self._texts.text(key, self.language, **values)

    def weekday(self, day: int) -> str:
        """The name of a weekday; 0 is Monday."""
        return self.text(f"weekday-{WEEKDAYS[day]}")

    def day(self, day: date) -> str:
        """``Donnerstag, 24.12.2026`` or ``Thursday, 24 December 2026``."""
        if self.language == "de":
            return f"{self.weekday(day.weekday())}, {day:%d.%m.%Y}"
        return f"{self.weekday(day.weekday())}, {day.day} {self.text(f'month-{day.month}')} {day.year}"

    def time(self, minute: int) -> str:
        """``8:00`` or ``24:00``."""
        return self.text("time", clock=f"{minute // 60}:{minute % 60:02}")

    def blocks(self, blocks: Sequence[TimeBlock]) -> str:
        """The hours of a day."""
        if not blocks:
            return self.text("hours-closed")
        return ", ".join(
            self.text("hours-block", opens=_clock(block.opens), closes=_clock(block.closes)) for block in blocks
        )

    def distance(self, metres: int) -> str:
        """``2,3 km``; below a kilometre in steps of 100 m, since centres of postcodes are no more exact."""
        if metres < 950:
            return f"{max(100, round(metres, -2))} m"
        kilometres = f"{metres / 1000:.1f}" if metres < 9950 else f"{metres / 1000:.0f}"
        return f"{kilometres.replace('.', ',') if self.language == 'de' else kilometres} km"

    def spoken(self, tag: str) -> str:
        """The name of a language, or its tag if the pages do not offer it."""
        return self.text(f"spoken-{tag.lower()}") if tag.lower() in SPOKEN else tag

    def specialty(self, code: str) -> str:
        """The German name of a specialty; names of specialties are titles and stay as they are."""
        return self._specialties.display(code)

    def joined(self, items: Sequence[str], say: Callable[[str], str]) -> str:
        """Several things in a row."""
        return ", ".join(map(say, items))


def _clock(minute: int) -> str:
    return f"{minute // 60}:{minute % 60:02}"
