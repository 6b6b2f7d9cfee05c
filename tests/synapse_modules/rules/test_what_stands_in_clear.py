"""The operator's table of what stands in clear says what the code does, type by type."""

from __future__ import annotations

import re
from pathlib import Path

from synapse.api.constants import EduTypes

from synapse_modules.adapters.federated_request_gate import TAKEN_EDUS
from synapse_modules.rules.room_state import STATE, WITHOUT_WORDS, Handling

_PAGE = Path(__file__).parents[3] / "docs/what-stands-in-clear.md"
_PACKAGE = Path(__file__).parents[3] / "synapse_modules"


def _rows(heading: str) -> list[tuple[str, str]]:
    """Type and second column of the table under a heading."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?:^## |\Z)", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return re.findall(r"^\| `([\w.]+)` \| ([a-z' ]+) \|", section, re.MULTILINE)


def test_the_table_of_states_is_the_codes() -> None:
    rows = _rows("State of rooms")
    assert len(rows) == len(dict(rows))
    assert dict(rows) == {event_type: handling.value for event_type, handling in STATE.items()}


def test_the_table_of_what_is_of_the_moment_has_all_that_synapse_knows_and_says_what_is_taken() -> None:
    rows = _rows("What other servers send that is of the moment")
    known = {value for name, value in vars(EduTypes).items() if name.isupper()}
    assert {edu_type for edu_type, _ in rows} == known
    assert {edu_type for edu_type, taken in rows if taken != "never"} == TAKEN_EDUS.keys()


def test_every_emptied_type_has_its_one_content() -> None:
    emptied = {event_type for event_type, handling in STATE.items() if handling is Handling.EMPTIED}
    assert emptied == WITHOUT_WORDS.keys()
    assert not any(value for content in WITHOUT_WORDS.values() for value in content.values())


def test_the_files_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"`(?:synapse_modules/)?((?:rules|adapters|synapse_private)/\w+\.py)`", _PAGE.read_text()))
    assert len(named) > 5
    for name in named:
        assert (_PACKAGE / name).exists() or (_PACKAGE / "adapters" / name).exists(), name
