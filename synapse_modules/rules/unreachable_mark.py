"""How those who share a room with a locked person learn that nobody reads: her name there says so."""

from __future__ import annotations

# Not in the catalogue of texts: it stands in rooms, and is taken away again by its exact letters.
SUFFIX = "– nicht mehr erreichbar"


def marked(name: str | None) -> str:
    """The name that a locked account bears in its rooms."""
    if name is None or not name.strip():
        return SUFFIX
    return name if is_marked(name) else f"{name} {SUFFIX}"


def is_marked(name: str | None) -> bool:
    """Whether a name says that nobody reads."""
    return name is not None and name.endswith(SUFFIX)
