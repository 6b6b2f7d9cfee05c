"""All rows of all modules ``*_attacks``, and the part of docs/security.md that is made from them."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import tests.security
from tests.security.attack import Attack

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
_BEGIN = "<!-- attacks: made by `python -m tests.security --write` -->"
_END = "<!-- end of attacks -->"


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


def documented(text: str) -> str:
    """The part of the document that is made from the rows.

    Raises:
        ValueError: if the document lacks its marks.
    """
    begin, end = text.index(_BEGIN) + len(_BEGIN), text.index(_END)
    return text[begin:end].strip()


def with_rows(text: str, rows: tuple[Attack, ...]) -> str:
    """The document with that part made anew."""
    head, tail = text[: text.index(_BEGIN) + len(_BEGIN)], text[text.index(_END) :]
    return f"{head}\n{as_markdown(rows)}\n{tail}"
