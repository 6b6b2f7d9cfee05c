"""What a practice may write into a line that patients read."""

from __future__ import annotations

from messenger_core.people_names import letter_fault


def one_line(text: str) -> str:
    """Returns ``text`` if it is one visible line.

    Raises:
        ValueError: if it begins or ends with a space, has no letter or digit, or holds invisible characters, which
            could make one practice look like another.
    """
    if text.strip() and (fault := letter_fault(text)) is not None:
        raise ValueError(f"only visible characters on one line are allowed ({fault.value})")
    if text != text.strip():
        raise ValueError("it must not begin or end with a space")
    if not any(letter.isalnum() for letter in text):
        raise ValueError("it needs at least one letter or digit")
    return text
