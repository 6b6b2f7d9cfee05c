"""Reads files of the national directory piece by piece: FHIR bundles (``.json``) and NDJSON, also with ``.gz``.

However large a file is, one entry or line of it is in memory at a time, and none that is larger than its limit, however
small it is packed.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import ijson
import orjson

from directory_service.rules.reading.element import Fault
from directory_service.rules.told_resource import Told, told_by_entry, told_in

_BUFFER_BYTES = 64 * 1024
_STARTS, _ENDS = frozenset({"start_map", "start_array"}), frozenset({"end_map", "end_array"})
_TOO_DEEP = object()


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """What a file may hold at most, unpacked.

    Attributes:
        line_bytes: of one line of NDJSON; a longer one is left out.
        entry_bytes: of one entry of a bundle; a file with a larger one is not read on.
        depth: levels of objects and lists of one line or entry; a deeper one is left out.
        file_bytes: of a whole file; a larger one is not read on.
    """

    line_bytes: int
    entry_bytes: int
    depth: int
    file_bytes: int


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


def read_export(path: Path, limits: ExportLimits, number: int = 0, offset: int = 0) -> Iterator[Piece]:
    """The pieces of a file after the first ``number``, which end at ``offset``.

    Raises:
        ExportUnreadable: if it cannot be read to its end.
    """
    try:
        with _opened(path) as file:
            if _form(path) == ".json":
                yield from _entries(path, file, number, limits)
            else:
                yield from _lines(path, file, number, offset, limits)
    except (OSError, EOFError, zlib.error) as fault:
        raise ExportUnreadable(f"{path.name} cannot be read to its end ({type(fault).__name__})") from None


def _form(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _lines(path: Path, file: IO[bytes], number: int, offset: int, limits: ExportLimits) -> Iterator[Piece]:
    file.seek(offset)
    while line := file.readline(limits.line_bytes):
        number += 1
        too_long = len(line) == limits.line_bytes and not line.endswith(b"\n")
        offset += len(line)
        while too_long and line and not line.endswith(b"\n"):
            line = file.readline(_BUFFER_BYTES)
            offset += len(line)
            _check_size(path, offset, limits)
        _check_size(path, offset, limits)
        told = (Fault("", f"the line has more than {limits.line_bytes} bytes"),) if too_long else _said(line, limits)
        yield Piece(number, offset, told)


def _said(line: bytes, limits: ExportLimits) -> tuple[Told | Fault, ...]:
    if not line.strip():
        return ()
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return (Fault("", "the line is not JSON"),)
    return tuple(told_in(document)) if _is_shallow(document, limits.depth) else (_too_deep(limits),)


def _entries(path: Path, file: IO[bytes], number: int, limits: ExportLimits) -> Iterator[Piece]:
    place, bounded = 0, _BoundedReader(path, file, limits)
    bundle = _Bundle(limits.depth)
    try:
        for place, entry in enumerate(bundle.entries(bounded), start=1):
            bounded.entry_ended()
            if place > number:
                told = (_too_deep(limits),) if entry is _TOO_DEEP else told_by_entry(entry, "Bundle.entry")
                yield Piece(place, 0, tuple(told))
    except (ijson.JSONError, ValueError):
        raise ExportUnreadable(f"{path.name} is not JSON, or not whole, after entry {place}") from None
    if place == 0 and bundle.kind != "Bundle":
        # A file without entries may be an empty bundle, but must not be something else.
        raise ExportUnreadable(f"{path.name} is no FHIR bundle; files of lines are called .ndjson")


class _Bundle:
    """Puts the entries of a bundle together from the parser's events, each to a depth.

    The parser's own ``items`` holds a path for every level, which takes the square of the depth in memory.

    Attributes:
        kind: its ``resourceType``, once that was read.
    """

    def __init__(self, most_depth: int) -> None:
        self.kind: object = None
        self._most_depth = most_depth

    def entries(self, file: _BoundedReader) -> Iterator[object]:
        """Its entries, or ``_TOO_DEEP`` for one that is nested too deeply."""
        depth, key, in_entries = 0, "", False
        builder: ijson.ObjectBuilder | None = None
        too_deep = False
        for event, value in ijson.basic_parse(file, use_float=True, buf_size=_BUFFER_BYTES):
            depth -= event in _ENDS
            if in_entries and depth == 1:
                in_entries = False
            elif in_entries:
                if builder is None:
                    builder, too_deep = ijson.ObjectBuilder(), False
                too_deep = too_deep or (event in _STARTS and depth > self._most_depth)
                if not too_deep:
                    builder.event(event, value)
                if depth == 2 and event not in _STARTS:
                    yield _TOO_DEEP if too_deep else builder.value
                    builder = None
            elif depth == 1 and event == "map_key":
                key = value
            elif depth == 1 and key == "resourceType":
                self.kind = value
            elif depth == 1 and key == "entry":
                in_entries = event == "start_array"
            depth += event in _STARTS


class _BoundedReader:
    """Reads a bundle for the parser, but no entry and no file beyond its limit."""

    def __init__(self, path: Path, file: IO[bytes], limits: ExportLimits) -> None:
        self._path = path
        self._file = file
        self._limits = limits
        self._read = 0
        self._entry_began = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            ExportUnreadable: if the entry or the file is too large.
        """
        some = self._file.read(size)
        self._read += len(some)
        if self._read - self._entry_began > self._limits.entry_bytes + _BUFFER_BYTES:
            raise ExportUnreadable(f"{self._path.name} has an entry of more than {self._limits.entry_bytes} bytes")
        _check_size(self._path, self._read, self._limits)
        return some

    def entry_ended(self) -> None:
        """The parser came to the end of an entry."""
        self._entry_began = self._read


def _check_size(path: Path, read: int, limits: ExportLimits) -> None:
    if read > limits.file_bytes:
        raise ExportUnreadable(f"{path.name} unpacks to more than {limits.file_bytes} bytes")


def _is_shallow(document: object, most: int) -> bool:
    """Whether a document has no more levels than that; what is nested deeper nobody can write down again."""
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > most:
            return False
        level = [
            child
            for one in level
            if isinstance(one, dict | list)
            for child in (one.values() if isinstance(one, dict) else one)
            if isinstance(child, dict | list)
        ]
    return True


def _too_deep(limits: ExportLimits) -> Fault:
    return Fault("", f"it has more than {limits.depth} levels")
