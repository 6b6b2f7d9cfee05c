"""The table of matrix-nio's pitfalls: every row has a test, and what the table names is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs" / "matrix-nio-pitfalls.md"
ROWS = range(1, 23)


@cache
def names_with_rows() -> frozenset[str]:
    """The names of all test functions in this tree that pytest collects and that belong to a row."""
    names: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        if "node_modules" in file.parts:
            continue
        for found in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef) and found.name.startswith("test_"):
                names.add(found.name)
    return frozenset(name for name in names if "row_" in name)


@cache
def table() -> dict[int, list[str]]:
    """The cells of each row, by its number."""
    rows: dict[int, list[str]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0].isdigit():
            assert int(cells[0]) not in rows, f"row {cells[0]} stands there twice"
            rows[int(cells[0])] = cells
    return rows


def test_the_table_has_all_rows_in_order() -> None:
    assert list(table()) == list(ROWS)
    assert {len(cells) for cells in table().values()} == {4}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_a_test_and_names_only_what_there_is(row: int) -> None:
    _, _, cure, shown = table()[row]
    of_this_row = {name for name in names_with_rows() if f"row_{row:02}_" in name}
    named = set(re.findall(r"`(\w+)`", shown))
    assert of_this_row
    assert named
    assert named <= of_this_row, f"no such test of row {row}: {sorted(named - of_this_row)}"
    files = set(re.findall(r"`([\w/]+\.py)`", cure))
    assert files
    assert not [file for file in files if not (ROOT / "messenger_core" / "matrix" / file).is_file()]


def test_no_test_belongs_to_a_row_that_is_not_there() -> None:
    numbered = {int(number) for name in names_with_rows() for number in re.findall(r"row_(\d+)_", name)}
    assert numbered <= set(ROWS)
