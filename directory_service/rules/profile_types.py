"""What a practice may say, bounded once: the types of its days, texts, codes and numbers, whichever way they come in.

Whatever is within these bounds can be shown by every reader; ``profile_check`` holds a whole profile against them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field

from directory_service.rules.plain_text import one_line

BOUNDS = 1
"""Counted up whenever one of the bounds below, or of what they are made of, becomes narrower."""
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
"""Days that a practice may name; a day's end, in any zone, is a moment that can be written down."""
MOST_SPECIALTIES, MOST_LANGUAGES, MOST_MESSENGERS = 10, 20, 10
MOST_SPECIAL_DAYS, MOST_BLOCKS = 100, 6
LONGEST_LINE, LONGEST_NOTE = 120, 200
LANGUAGE_PATTERN = r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}"
POSTCODE_PATTERN = r"[0-9]{5}"
TELEPHONE_PATTERN = r"\+?[0-9][0-9 /()-]{2,30}"
USER_ID_PATTERN = r"@[a-z0-9._=/+-]+:[A-Za-z0-9.-]+(:[0-9]{1,5})?"
LONGEST_USER_ID = 255


def _line_or_nothing(text: str) -> str:
    return one_line(text) if text else text


def each_once(values: Sequence[Hashable]) -> None:
    """Checks that no value stands there twice.

    Raises:
        ValueError: if one does.
    """
    if any(count > 1 for count in Counter(values).values()):
        raise ValueError("each may stand there once")


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    each_once(values)
    return values


Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
PracticeName = Annotated[str, Field(min_length=1, max_length=LONGEST_LINE), AfterValidator(one_line)]
AddressText = Annotated[str, Field(min_length=1, max_length=LONGEST_LINE), AfterValidator(one_line)]
Note = Annotated[str, Field(max_length=LONGEST_NOTE), AfterValidator(_line_or_nothing)]
SubstituteText = Annotated[str, Field(min_length=1, max_length=LONGEST_NOTE), AfterValidator(one_line)]
Telephone = Annotated[str, Field(pattern=f"^({TELEPHONE_PATTERN})?$")]
Postcode = Annotated[str, Field(pattern=f"^{POSTCODE_PATTERN}$")]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
LanguageTag = Annotated[str, Field(pattern=f"^{LANGUAGE_PATTERN}$")]
"""BCP 47, e.g. ``de`` or ``sr-Latn``."""
Languages = Annotated[tuple[LanguageTag, ...], Field(max_length=MOST_LANGUAGES), AfterValidator(_distinct)]
Specialties = Annotated[tuple[str, ...], Field(max_length=MOST_SPECIALTIES), AfterValidator(_distinct)]
"""Codes; which exist is the specialty table's to say."""
MatrixUserId = Annotated[str, Field(max_length=LONGEST_USER_ID, pattern=f"^{USER_ID_PATTERN}$")]
