"""Reads files of the national directory piece by piece: FHIR bundles (``.json``) and NDJSON, also with ``.gz``.

However large a file is, one entry or line of it is in memory at a time.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import ijson
import orjson

from directory_service.rules.reading.element import Fault
from directory_service.rules.told_resource import Told, told_by_entry, told_in

_LONGEST_LINE = 16 * 1024 * 1024


class ExportUnreadable(Exception):  # noqa: N818 - reads as what it is
    """A file cannot be read, or ends in its middle; what it lacks must not be taken for removed."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One line, or one entry of a bundle.

    Attributes:
        number: which one it is, from 1 on.
        offset: the byte after it, uncompressed; 0 in a bundle, which cannot be entered in its middle.
        told: what it says, and what of it cannot be read.
    """

    number: int
    offset: int
    told: tuple[Told | Fault, ...]


def is_export(path: Path) -> bool:
    """Whether a file has one of the names that can be read."""
    return _form(path) in {".json", ".ndjson", ".jsonl"}


def read_export(path: Path, number: int = 0, offset: int = 0) -> Iterator[Piece]:
    """The pieces of a file after the first ``number``, which end at ``offset``.

    Raises:
        ExportUnreadable: if it cannot be read to its end.
    """
    try:
        with _opened(path) as file:
            yield from _entries(path, file, number) if _form(path) == ".json" else _lines(file, number, offset)
    except (OSError, EOFError) as fault:
        raise ExportUnreadable(f"{path.name} cannot be read to its end ({type(fault).__name__})") from None


def _form(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _lines(file: IO[bytes], number: int, offset: int) -> Iterator[Piece]:
    file.seek(offset)
    while line := file.readline(_LONGEST_LINE):
        number += 1
        too_long = len(line) == _LONGEST_LINE and not line.endswith(b"\n")
        offset += len(line)
        while too_long and line and not line.endswith(b"\n"):
            line = file.readline(_LONGEST_LINE)
            offset += len(line)
        yield Piece(number, offset, (Fault("", "the line is too long"),) if too_long else _said(line))


def _said(line: bytes) -> tuple[Told | Fault, ...]:
    if not line.strip():
        return ()
    try:
        return tuple(told_in(orjson.loads(line)))
    except orjson.JSONDecodeError:
        return (Fault("", "the line is not JSON"),)


def _entries(path: Path, file: IO[bytes], number: int) -> Iterator[Piece]:
    place = 0
    try:
        for place, entry in enumerate(ijson.items(file, "entry.item", use_float=True), start=1):
            if place > number:
                yield Piece(place, 0, tuple(told_by_entry(entry, "Bundle.entry")))
    except ijson.JSONError:
        raise ExportUnreadable(f"{path.name} is not JSON, or not whole, after entry {place}") from None
    if place == 0:
        _check_bundle(path)


def _check_bundle(path: Path) -> None:
    """A file without entries may be an empty bundle, but must not be something else.

    Raises:
        ExportUnreadable: if it is.
    """
    with _opened(path) as file:
        if next(iter(ijson.items(file, "resourceType")), None) != "Bundle":
            raise ExportUnreadable(f"{path.name} is no FHIR bundle; files of lines are called .ndjson")
