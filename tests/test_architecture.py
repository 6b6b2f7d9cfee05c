"""The documents lead a stranger to what exists: every path that they name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_TOP = Path(__file__).parents[1]
# Names between backticks that begin with a folder or file of the repository.
_NAMED = re.compile(r"`([A-Za-z_.][\w.-]*(?:/[\w.-]+)*/?)`")
_WALKS = ("A sign-in", "A message", "A membership", "A search", "A ticket", "An erasure")


def _paths(document: str) -> list[str]:
    tops = {entry.name for entry in _TOP.iterdir()}
    named = _NAMED.findall((_TOP / document).read_text(encoding="utf-8"))
    return [name for name in named if "/" in name and name.partition("/")[0] in tops]


@pytest.mark.parametrize(
    ("document", "at_least"), [("docs/architecture.md", 60), ("docs/testing.md", 5), ("CONTRIBUTING.md", 3)]
)
def test_every_path_that_is_named_exists(document: str, at_least: int) -> None:
    paths = _paths(document)
    assert len(paths) >= at_least
    assert [path for path in paths if not (_TOP / path).exists()] == []


def test_each_way_through_the_house_is_told() -> None:
    text = (_TOP / "docs/architecture.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert all(any(heading.startswith(walk) for heading in headings) for walk in _WALKS)
