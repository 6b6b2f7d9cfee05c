"""Reads the file one row at a time, so that its length needs no memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

LONGEST_LINE = 4096
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """One line that is not empty.

    Attributes:
        line: its number, from 1.
        end: the byte after it in the file.
        size: its length in bytes.
        value: the JSON object in it; None if it is none, then ``fault`` says why.
    """

    line: int
    end: int
    size: int
    value: dict[str, object] | None
    fault: str = ""


def read_rows(file: BinaryIO, *, offset: int = 0, line: int = 0) -> Iterator[Row]:
    """The rows from a place on.

    Args:
        file: opened for reading bytes.
        offset: the byte to begin at, the beginning of a line.
        line: how many lines lie before it.
    """
    file.seek(offset)
    while text := file.readline(LONGEST_LINE + 1):
        line += 1
        start = offset
        offset += len(text)
        is_too_long = len(text) > LONGEST_LINE
        while is_too_long and not text.endswith(b"\n") and (text := file.readline(LONGEST_LINE)):
            offset += len(text)
        if is_too_long:
            yield Row(line, offset, offset - start, None, f"the line is longer than {LONGEST_LINE} bytes")
        elif text := text.removeprefix(_BOM if start == 0 else b"").strip():
            yield _parsed(line, offset, offset - start, text)


def _parsed(line: int, end: int, size: int, text: bytes) -> Row:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Row(line, end, size, None, "the line is not JSON")
    if not isinstance(value, dict):
        return Row(line, end, size, None, "the line is no JSON object")
    return Row(line, end, size, value)
