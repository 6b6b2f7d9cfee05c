"""Every table and column of Synapse's that a statement of ours touches is declared, and nothing else is."""

from __future__ import annotations

import ast
import importlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from synapse.config import ConfigError

import synapse_modules.store
from synapse_modules.adapters.synapse_private.tables import TABLES, check_tables
from tests.synapse_modules.homeserver_under_test import Homeserver

_STORE = Path(synapse_modules.store.__file__).parent
_IS_SQL = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE)\b")
# What a statement's parts are that the code puts together where it runs.
_PARTS = {
    "among": "",
    "column": "user_id",
    "pending": "FROM local_current_membership m JOIN events e ON e.event_id = m.event_id WHERE m.membership = 'invite'",
    "wanted": "NULL",
    "whom": "theirs.user_id = ?",
}
_READS = {sqlite3.SQLITE_READ, sqlite3.SQLITE_UPDATE}


def _text(node: ast.expr, module: ModuleType, names: dict[str, str]) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value, module, names) for value in values)
        case ast.FormattedValue(value=ast.Name(id=name)):
            return names[name] if name in names else str(getattr(module, name))
        case ast.FormattedValue():
            return "NULL"
    raise TypeError(ast.dump(node))


def _tables_of(node: ast.For, module: ModuleType) -> list[dict[str, str]]:
    """The names that a loop over a list of tables gives."""
    if isinstance(node.target, ast.Tuple) and isinstance(node.iter, ast.Name) and hasattr(module, node.iter.id):
        keys = [one.id for one in node.target.elts if isinstance(one, ast.Name)]
        return [dict(zip(keys, row, strict=True)) for row in getattr(module, node.iter.id)]
    return [{}]


def _statements(node: ast.AST, module: ModuleType, names: dict[str, str]) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        choices = _tables_of(child, module) if isinstance(child, ast.For) else [{}]
        for choice in choices:
            known = names | choice
            if isinstance(child, ast.Constant | ast.JoinedStr):
                first = child.values[0] if isinstance(child, ast.JoinedStr) and child.values else child
                if isinstance(first, ast.Constant) and _IS_SQL.match(str(first.value)):
                    yield _text(child, module, known).replace("{}", "NULL")
            else:
                yield from _statements(child, module, known)


def _all_statements() -> list[str]:
    found: list[str] = []
    for path in sorted(_STORE.glob("*.py")):
        if path.stem != "migrations":
            module = importlib.import_module(f"synapse_modules.store.{path.stem}")
            found += _statements(ast.parse(path.read_text()), module, _PARTS)
    return found


def test_what_the_stores_touch_is_declared(homeserver: Homeserver) -> None:
    """By SQLite's own word for each statement, on the database of a running Synapse."""
    touched: dict[str, set[str]] = {}
    everything = _all_statements()
    with closing(sqlite3.connect(f"file:{homeserver.folder}/homeserver.db?mode=ro", uri=True)) as connection:

        def note(action: int, table: str | None, column: str | None, *_: Any) -> int:
            if action in _READS and table and column and not table.startswith(("hek_", "sqlite_")):
                touched.setdefault(table, set()).add(column)
            return sqlite3.SQLITE_OK

        connection.set_authorizer(note)
        for statement in everything:
            connection.execute(f"EXPLAIN {statement}", [None] * statement.count("?")).fetchall()
    assert len(everything) > 80, "the statements are found"
    assert {table: tuple(sorted(columns)) for table, columns in touched.items()} == dict(TABLES)


@pytest.mark.parametrize(("table", "columns"), [("gone", ("name",)), ("users", ("name", "of_another_release"))])
def test_a_table_that_a_synapse_lacks_is_told_by_name(homeserver: Homeserver, table: str, columns: tuple[str]) -> None:
    with closing(sqlite3.connect(f"file:{homeserver.folder}/homeserver.db?mode=ro", uri=True)) as connection:
        cursor: Any = connection.cursor()
        check_tables(cursor)
        with pytest.raises(ConfigError, match=rf"lacks the table {table}\({', '.join(columns)}\)"):
            check_tables(cursor, {table: columns})
