"""Writes the report on the 24-hour promise as a table for people, as JSON or as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime

from bridge_bot.rules.report import ReportRow, Summary, summary_of
from messenger_core.calendar_periods import shown

_COLUMNS = [field.name for field in fields(ReportRow)]


def _cells(row: ReportRow, moment: Callable[[datetime], str]) -> list[str]:
    values = [getattr(row, column) for column in _COLUMNS]
    return [moment(v) if isinstance(v, datetime) else "" if v is None else str(v) for v in values]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def as_table(rows: Sequence[ReportRow], as_of: datetime) -> str:
    """Aligned columns, times in Europe/Berlin, and the summary below."""
    lines = [_COLUMNS, *(_cells(row, shown) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    summary = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in asdict(summary_of(rows)).items())
    return "\n".join([*text, "", f"as of {shown(as_of)} (Europe/Berlin): {summary}"]) + "\n"


def as_json(rows: Sequence[ReportRow], as_of: datetime) -> str:
    """One object: ``as_of``, ``blocks`` (one object a row, times in UTC) and ``summary``."""
    summary: Summary = summary_of(rows)
    blocks = [
        {name: _iso(value) if isinstance(value, datetime) else value for name, value in asdict(row).items()}
        for row in rows
    ]
    body = {"as_of": _iso(as_of), "blocks": blocks, "summary": asdict(summary)}
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def as_csv(rows: Sequence[ReportRow], _as_of: datetime) -> str:
    """One line a block with a header, times in UTC; sums are for the spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(_cells(row, _iso) for row in rows)
    return text.getvalue()


FORMATS: Mapping[str, Callable[[Sequence[ReportRow], datetime], str]] = {
    "table": as_table,
    "json": as_json,
    "csv": as_csv,
}
