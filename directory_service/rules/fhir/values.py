"""Search values as FHIR writes them: alternatives between commas, escapes, tokens, modifiers; and when a value fits.

Source: FHIR R4, 3.1.1.5 (escaping), string and token searches. A comma inside quotation marks separates nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from directory_service.rules.folding import fold, words

MAX_VALUE = 1000
MAX_ALTERNATIVES = 64
_REMEMBERED = 1024
"""Texts of resources, never of a search: a practice is asked for the same ones by each parameter."""


class FaultyParameter(ValueError):  # noqa: N818 - reads as what it is
    """A parameter is unknown or has a value that is not allowed.

    Attributes:
        parameter: its name, shortened and with visible characters alone.
        reason: a key of the catalogue below ``search-``.
    """

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(reason)
        self.parameter = shown(parameter)
        self.reason = reason


def shown(parameter: str) -> str:
    """A parameter's name as an answer may repeat it: shortened, and with visible characters alone."""
    return "".join(letter for letter in parameter[:64] if letter.isprintable())


@dataclass(frozen=True, slots=True)
class Coded:
    """A code of a resource, as tokens search it."""

    system: str
    code: str
    text: str = ""


def pieces(value: str, separator: str, *, quotes: bool = False) -> list[str]:
    """The parts of a value between separators that are not escaped; escapes stay in the parts.

    Args:
        value: what was sent.
        separator: one character.
        quotes: whether a separator between quotation marks separates nothing.
    """
    if separator not in value:
        return [value]
    if "\\" not in value and not (quotes and '"' in value):
        return value.split(separator)
    parts, part, quoted, escaped = [""], 0, False, False
    for letter in value:
        if escaped:
            parts[part] += letter
            escaped = False
            continue
        escaped = letter == "\\"
        quoted ^= quotes and letter == '"'
        if letter == separator and not quoted:
            parts.append("")
            part += 1
        else:
            parts[part] += letter
    return parts


def unescaped(part: str) -> str:
    r"""The part as it is meant: ``\,``, ``\|``, ``\$`` and ``\\`` are the character after the backslash."""
    if "\\" not in part:
        return part

    def letters() -> Iterator[str]:
        rest = iter(part)
        for letter in rest:
            if letter != "\\":
                yield letter
                continue
            following = next(rest, "")
            yield following if following in {",", "|", "$", "\\"} else letter + following

    return "".join(letters())


def alternatives(parameter: str, value: str) -> list[str]:
    """The values between commas, of which any may fit; escapes stay.

    Raises:
        FaultyParameter: ``empty``, ``too-long`` or ``too-many``.
    """
    if len(value) > MAX_VALUE:
        raise FaultyParameter(parameter, "too-long")
    found = pieces(value, ",")
    if not all(part.strip() for part in found):
        raise FaultyParameter(parameter, "empty")
    if len(found) > MAX_ALTERNATIVES:
        raise FaultyParameter(parameter, "too-many")
    return found


class TokenValue(NamedTuple):
    """``code``, ``system|code``, ``|code`` (no system) or ``system|`` (any code of it)."""

    system: str | None
    code: str

    @classmethod
    def read(cls, part: str) -> TokenValue:
        """Reads one alternative."""
        system, *code = pieces(part, "|")
        if not code:
            return cls(None, unescaped(system))
        return cls(unescaped(system), unescaped("|".join(code)))

    def fits(self, coded: Coded) -> bool:
        """Whether a code of a resource is meant; codes are compared as they are, without regard to case."""
        if self.system is not None and self.system != coded.system:
            return False
        return not self.code or self.code.casefold() == coded.code.casefold()


def words_begin(wanted: Sequence[str], folded: str) -> bool:
    """``:text`` of a token: each wanted word begins a word of the display; both are folded."""
    known = f" {folded}"
    return bool(wanted) and all(f" {word}" in known for word in wanted)


def plain(text: str) -> str:
    """Folded words with single spaces: what is neither a letter nor a digit makes no difference."""
    return " ".join(words(text))


@lru_cache(maxsize=_REMEMBERED)
def folded_text(text: str) -> str:
    """``plain`` of a text of a resource, which is compared with many values one after another."""
    return plain(text)


@lru_cache(maxsize=_REMEMBERED)
def folded_display(text: str) -> str:
    """A text as a reader takes it, to be compared as a whole."""
    return fold(text).strip()
