"""All rows of all modules ``*_attacks``, and the parts of docs/security.md that are made from the code."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import tests.security
from tests.security.attack import Attack

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
ATTACKS = "attacks"
LIMITS = "limits"


def _all_rows() -> tuple[Attack, ...]:
    names = sorted(one.name for one in pkgutil.iter_modules(tests.security.__path__) if one.name.endswith("_attacks"))
    modules = [importlib.import_module(f"tests.security.{name}") for name in names]
    return tuple(attack for module in modules for attack in module.ATTACKS)


TABLE = _all_rows()


def as_markdown(rows: tuple[Attack, ...]) -> str:
    """The rows as a table, by component and kind."""
    lines = ["| attack | component | kind | what stops it | what others notice |", "|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: (row.component, row.kind, row.name)):
        cells = (row.name, row.component, row.kind, row.limit, row.others_notice)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _bounds(text: str, part: str) -> tuple[int, int]:
    begin = f"<!-- {part}: made by `python -m tests.security --write` -->"
    return text.index(begin) + len(begin), text.index(f"<!-- end of {part} -->")


def documented(text: str, part: str) -> str:
    """A part of the document that is made from the code.

    Raises:
        ValueError: if the document lacks its marks.
    """
    begin, end = _bounds(text, part)
    return text[begin:end].strip()


def with_part(text: str, part: str, made: str) -> str:
    """The document with that part made anew."""
    begin, end = _bounds(text, part)
    return f"{text[:begin]}\n{made}\n{text[end:]}"
