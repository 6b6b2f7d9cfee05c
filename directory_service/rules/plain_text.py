"""What a practice may write into a line that patients read."""

from __future__ import annotations

import unicodedata


def one_line(text: str) -> str:
    """Returns ``text`` if it is one visible line.

    Raises:
        ValueError: if it begins or ends with a space, has no letter or digit, or holds invisible characters, which
            could make one practice look like another.
    """
    if any(unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for letter in text):
        raise ValueError("only visible characters on one line are allowed")
    if text != text.strip():
        raise ValueError("it must not begin or end with a space")
    if not any(letter.isalnum() for letter in text):
        raise ValueError("it needs at least one letter or digit")
    return text
