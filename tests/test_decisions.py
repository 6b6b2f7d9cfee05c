"""The decisions are found by theme, say in their titles what was decided, and name what overtook them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "decisions"
DECISIONS = sorted(FOLDER.glob("[0-9]*.md"))
_LISTED = re.compile(r"^- \[(\d{4})\]\(([^)]+)\) (.+)$", re.MULTILINE)
_REPLACED = re.compile(r"^(?:Replaces|Changes|Extends|Takes up|Closes)\b.*", re.MULTILINE)


def _title(decision: Path) -> str:
    return decision.read_text(encoding="utf-8").splitlines()[0].partition(". ")[2]


def test_every_decision_stands_once_in_the_index_under_a_theme() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = _LISTED.findall(index[index.index("\n## ") :])
    assert sorted(listed) == [(decision.name[:4], decision.name, _title(decision)) for decision in DECISIONS]


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: str(decision.name[:4]))
def test_a_decision_is_numbered_as_its_file_and_its_links_lead_somewhere(decision: Path) -> None:
    text = decision.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(decision.name[:4])}. ")
    assert all((FOLDER / link).exists() for link in re.findall(r"\]\(([^)#:]+)\)", text))


def test_what_a_decision_replaces_says_so_at_its_head() -> None:
    found = 0
    for decision in DECISIONS:
        head = decision.read_text(encoding="utf-8").partition("**Decided.**")[0]
        for number in re.findall(r"\b(\d{4})\b", " ".join(_REPLACED.findall(head))):
            overtaken = next(one for one in DECISIONS if one.name.startswith(number)).read_text(encoding="utf-8")
            assert decision.name in overtaken.partition("**Decided.**")[0], f"{number} does not name {decision.name}"
            found += 1
    assert found >= 5
