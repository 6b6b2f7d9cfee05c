"""How texts are made comparable: umlauts in every spelling, ß, accents and case fold into plain words."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[a-z0-9]+")
_SPELLED_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "œ": "oe", "ø": "oe"})
_WITHOUT_DECOMPOSITION = str.maketrans({"ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
# After a, e, o and q a "ue" is seldom an ü: Bauer, neue, Quelle.
_TWO_LETTER_UMLAUT = re.compile(r"ae|oe|(?<![aeoq])ue")


def fold(text: str) -> str:
    """The text in lower case, with ``ü`` = ``ue`` = ``u``, ``ß`` = ``ss`` and without accents.

    Umlauts are spelled out first and shortened together with those that were typed with two letters; the other order
    would tell ``Kräer`` from ``Kraeer``.
    """
    if text.isascii():
        return _TWO_LETTER_UMLAUT.sub(_first_letter, text.lower())
    spelled_out = unicodedata.normalize("NFKC", text).casefold().translate(_SPELLED_OUT)
    if spelled_out.isascii():
        return _TWO_LETTER_UMLAUT.sub(_first_letter, spelled_out)
    letters = unicodedata.normalize("NFKD", spelled_out)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return _TWO_LETTER_UMLAUT.sub(_first_letter, plain.translate(_WITHOUT_DECOMPOSITION))


def _first_letter(umlaut: re.Match[str]) -> str:
    return umlaut[0][0]


def words(text: str) -> tuple[str, ...]:
    """The folded words of a text, in their order; what is neither a letter nor a digit separates words."""
    return tuple(_WORD.findall(fold(text)))
