"""Reading, batching and journalling of the nightly file; how it reaches a homeserver is tested against a real one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver_tools.membership_file.journal import Journal, Progress
from homeserver_tools.membership_file.rows import LONGEST_LINE, Row, read_rows
from homeserver_tools.membership_file.sending import batches

FILE = b"\xef\xbb\xbf" + b"\n".join(
    [
        b'{"kvnr": "A"}',
        b"",
        b"[]",
        b"nonsense \xff",
        b'{"x": "' + b"y" * 3 * LONGEST_LINE + b'"}',
        b'{"kvnr": "B"}',
        b"[" * LONGEST_LINE,
        b'{"kvnr": "without a line break at its end"}',
    ]
)


def test_each_line_is_a_row_or_says_why_it_is_none() -> None:
    rows = list(read_rows(io.BytesIO(FILE)))
    assert [(row.line, row.value is not None) for row in rows] == [
        (1, True),
        (3, False),
        (4, False),
        (5, False),
        (6, True),
        (7, False),
        (8, True),
    ]
    assert rows[3].fault == f"the line is longer than {LONGEST_LINE} bytes"
    assert rows[-1].end == len(FILE)


@given(st.integers(0, 6))
def test_reading_goes_on_after_any_row(place: int) -> None:
    rows = list(read_rows(io.BytesIO(FILE)))
    assert list(read_rows(io.BytesIO(FILE), offset=rows[place].end, line=rows[place].line)) == rows[place + 1 :]


@given(st.lists(st.integers(1, 4000), max_size=3000))
def test_batches_fit_into_a_call_and_lose_no_row(sizes: list[int]) -> None:
    rows = [Row(line, 0, size, {}) for line, size in enumerate(sizes, 1)]
    made = list(batches(rows))
    assert [row for batch in made for row in batch] == rows
    assert all(len(batch) <= 1000 and sum(row.size for row in batch) <= 500_000 for batch in made)


def test_an_interrupted_run_is_continued_and_its_half_written_report_cut_back(tmp_path: Path) -> None:
    path = tmp_path / "ends.ndjson"
    path.write_bytes(FILE)
    journal = Journal(path)
    assert journal.begin() == Progress()
    done = journal.advance(Progress(offset=20, line=2, rows=2, rejected=1), [{"line": 2, "errors": []}])
    with journal.report.open("ab") as report:
        report.write(b'{"line": 3, "err')
    again = Journal(path)
    assert again.begin() == done
    assert [json.loads(line)["line"] for line in again.report.read_text().splitlines()] == [2]
    again.finish(done)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ends.ndjson", "ends.ndjson.rejected.ndjson"]


@pytest.mark.parametrize("progress", ["", "{}", "[]", '{"file": "x", "offset": 1}'])
def test_another_file_in_its_place_is_sent_from_its_beginning(tmp_path: Path, progress: str) -> None:
    path = tmp_path / "ends.ndjson"
    path.write_bytes(FILE)
    Journal(path).advance(Progress(offset=20, line=2, rows=2), [])
    path.write_bytes(FILE + b"\n")
    assert Journal(path).begin() == Progress()
    path.with_name("ends.ndjson.progress").write_text(progress)
    journal = Journal(path)
    assert journal.begin() == Progress()
    journal.finish(Progress())
    assert [file.name for file in tmp_path.iterdir()] == ["ends.ndjson"]
