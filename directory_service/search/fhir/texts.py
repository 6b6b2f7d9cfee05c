r"""``_text``: what a person typed, as alternatives of words and phrases.

As FHIR says, a comma means "or" and ``\,`` is a comma. Words must all fit. Quotation marks hold a phrase together, and
a comma in them is only a comma. ``_complexSearch=true`` adds gematik's operators: ``|`` means "or", ``-word`` "not",
``+word`` and ``word*`` are the word itself, since words may continue anyway; so is ``word~``, since typos are allowed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from directory_service.rules.fhir.values import FaultyParameter, pieces, unescaped
from directory_service.rules.folding import words

MAX_WORDS = 32
MAX_TEXT = 500
_TERM = re.compile(r'(?P<sign>[-+]?)(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))')
_TYPO_MARK = re.compile(r"~[0-9]*$")


class TextSearch(NamedTuple):
    """One alternative.

    Attributes:
        words: folded words that must fit, each at most once.
        phrases: folded words that must stand together, with a space around each.
        without: folded words or phrases, likewise, that must not stand there.
        verbatim: what was typed, without quotation marks: a Telematik-ID is found by it.
    """

    words: tuple[str, ...]
    phrases: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    verbatim: str = ""


def read_text(parameter: str, value: str, *, operators: bool) -> tuple[TextSearch, ...]:
    """The alternatives of a text.

    Args:
        parameter: for faults.
        value: as it was sent.
        operators: whether gematik's operators mean something.

    Raises:
        FaultyParameter: ``too-long``, ``no-word`` or ``too-many-words``.
    """
    if len(value) > MAX_TEXT:
        raise FaultyParameter(parameter, "too-long")
    if value.replace(" ", "").isalnum():  # words alone, as most texts are
        found: tuple[TextSearch, ...] = (TextSearch(tuple(dict.fromkeys(words(value))), verbatim=value.strip()),)
    else:
        parts = pieces(value, ",", quotes=True)
        if operators:
            parts = [piece for part in parts for piece in pieces(part, "|", quotes=True)]
        found = tuple(_alternative(unescaped(part), operators=operators) for part in parts)
    number = 0
    for alternative in found:
        if not alternative.words:
            raise FaultyParameter(parameter, "no-word")
        number += len(alternative.words) + len(alternative.without)
    if number > MAX_WORDS:
        raise FaultyParameter(parameter, "too-many-words")
    return found


def _alternative(part: str, *, operators: bool) -> TextSearch:
    wanted: dict[str, None] = {}
    phrases: list[str] = []
    without: list[str] = []
    for term in _TERM.finditer(part):
        phrase, word = term["phrase"], term["word"]
        if phrase is None and operators:
            word = _TYPO_MARK.sub("", word)
        together = words(phrase if phrase is not None else word)
        if not together:
            continue
        if operators and term["sign"] == "-":
            without.append(f" {' '.join(together)} ")
            continue
        wanted.update(dict.fromkeys(together))
        if phrase is not None and len(together) > 1:
            phrases.append(f" {' '.join(together)} ")
    return TextSearch(tuple(wanted), tuple(phrases), tuple(without), part.strip().strip('"').strip())
