"""Writes ``docs/where-rules-are-enforced.md`` from the table: ``python -m synapse_modules.hooks.page``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from synapse_modules.hooks import FEDERATION, HOOKS, WELL_KNOWN, Row
from synapse_modules.hooks.front import FRONT
from synapse_modules.hooks.locks import LOCKS
from synapse_modules.hooks.people import PEOPLE
from synapse_modules.hooks.rooms import ROOMS
from synapse_modules.hooks.sign_in import SIGN_IN

PAGE = Path(__file__).parents[2] / "docs/where-rules-are-enforced.md"
_SECTIONS = (
    ("What strangers reach first", FRONT),
    ("Registration and sign-in", SIGN_IN),
    ("Rooms and what is sent there", ROOMS),
    ("What Synapse's lock leaves open", LOCKS),
    ("What people know of each other beside rooms", PEOPLE),
    ("Other homeservers", FEDERATION),
    ("Pages", WELL_KNOWN),
)
_HEAD = """# Where rules are enforced

Synapse's hook or wrapped method → the gate that stands there → the rule that the gate asks. This page is made from the
table in `synapse_modules/hooks/` (`python -m synapse_modules.hooks.page`), which is also what is installed and checked
when the homeserver starts; a test holds both equal.

Names with a dot are methods of Synapse's that a gate stands in front of; those without are callbacks of its public
module API. Of several gates at one hook, the one that stands first is asked first; the hooks of other homeservers stand
before all others. Without a rule, the gate always does the same: what it does stands beside it.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, rows in _SECTIONS:
        lines = [f"| {row.hook} | {_name(row.gate)} | {_asked(row)} |" for row in rows]
        parts.append(f"## {title}\n\n| Synapse's hook | gate | rule |\n|---|---|---|\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _name(method: Callable[..., Any]) -> str:
    return f"`{method.__qualname__}`"


def _asked(row: Row) -> str:
    if row.rules:
        return ", ".join(f"`{_rule(rule)}`" for rule in row.rules)
    summary = (inspect.getdoc(row.gate) or "").partition("\n\n")[0]
    return summary.replace("\n", " ").replace("``", "`")


def _rule(rule: Callable[..., Any]) -> str:
    kind = ".".join(rule.__module__.split(".")[1:])
    return f"{kind}.{rule.__qualname__}"


def missing_rows() -> Sequence[Row]:
    """Rows that are installed and stand in no section."""
    shown = [row for _, rows in _SECTIONS for row in rows]
    return [row for row in (*HOOKS, *FEDERATION, *WELL_KNOWN) if row not in shown]


if __name__ == "__main__":
    PAGE.write_text(page())
