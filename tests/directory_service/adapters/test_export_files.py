"""Files of the national directory: entered anywhere they say the same, and what is no statement is named."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from directory_service.adapters.export_files import ExportLimits, ExportUnreadable, read_export
from directory_service.rules.reading.element import Fault
from directory_service.rules.told_resource import Told
from tests.directory_service.vzd_samples import bundle, endpoint, entry, write_lines

LIMITS = ExportLimits(line_bytes=16 * 2**20, entry_bytes=2**20, depth=50, file_bytes=2**30)
RESOURCES = [*entry(1), *entry(2)]


@pytest.mark.parametrize("form", ["export.json", "export.ndjson", "export.json.gz", "export.jsonl.gz"])
def test_a_file_that_is_entered_in_its_middle_says_the_rest(tmp_path: Path, form: str) -> None:
    path = tmp_path / form.removesuffix(".gz")
    if path.suffix == ".json":
        path.write_text(json.dumps(bundle(RESOURCES, gone=["Endpoint/e9"])), encoding="utf-8")
    else:
        write_lines(path, [*RESOURCES, "", "no JSON", bundle([], gone=["Endpoint/e9"])])
    if form.endswith(".gz"):
        packed = path.with_name(form)
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    whole = list(read_export(path, LIMITS))
    told = [said.reference for piece in whole for said in piece.told if isinstance(said, Told)]
    assert told == [*(f"{one['resourceType']}/{one['id']}" for one in RESOURCES), "Endpoint/e9"]
    for place, piece in enumerate(whole, start=1):
        assert list(read_export(path, LIMITS, piece.number, piece.offset)) == whole[place:]


def test_a_line_without_end_is_left_out_and_the_next_is_read(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "export.ndjson", ["x" * (17 * 1024 * 1024), endpoint(1)])
    long, good = read_export(path, LIMITS)
    assert [type(said) for said in long.told] == [Fault]
    assert [said.reference for said in good.told if isinstance(said, Told)] == ["Endpoint/e1"]


@pytest.mark.parametrize(
    ("document", "expression"),
    [
        (5, "Resource"),
        ({}, "Resource.resourceType"),
        ({"resourceType": "Location", "id": "a b"}, "Location.id"),
        ({"resourceType": "HealthcareService", "id": "h"}, "HealthcareService.providedBy.reference"),
        ({"resourceType": "PractitionerRole", "id": "h", "practitioner": 5}, "PractitionerRole.practitioner.reference"),
        ({"resourceType": "Bundle", "entry": 5}, "Bundle.entry"),
        ({"resourceType": "Bundle", "entry": [5]}, "Bundle.entry[0]"),
        ({"resourceType": "Bundle", "entry": [{}]}, "Bundle.entry[0].resource"),
        ({"resourceType": "Bundle", "entry": [{"request": {"method": "DELETE"}}]}, "Bundle.entry[0].request.url"),
    ],
)
def test_what_is_no_statement_is_named(tmp_path: Path, document: Any, expression: str) -> None:
    (piece,) = read_export(write_lines(tmp_path / "export.ndjson", [json.dumps(document)]), LIMITS)
    assert [said.expression for said in piece.told if isinstance(said, Fault)] == [expression]


def deep(levels: int) -> str:
    """A Location with an address that is nested so deeply."""
    return '{"resourceType":"Location","id":"l1","address":' + "[" * levels + "]" * levels + "}"


def as_bundle(*resources: str) -> str:
    """A bundle of texts."""
    entries = ",".join(f'{{"resource":{resource}}}' for resource in resources)
    return f'{{"resourceType":"Bundle","entry":[{entries}]}}'


@pytest.mark.parametrize("levels", [60, 500, 5_000, 100_000])
@pytest.mark.parametrize("form", ["export.ndjson", "export.json"])
def test_what_is_nested_too_deeply_is_left_out_and_the_next_is_read(tmp_path: Path, form: str, levels: int) -> None:
    path, good = tmp_path / form, json.dumps(endpoint(1))
    path.write_text(as_bundle(deep(levels), good) if form.endswith(".json") else f"{deep(levels)}\n{good}\n")
    first, second = read_export(path, LIMITS)
    assert [type(said) for said in first.told] == [Fault]
    assert [said.reference for said in second.told if isinstance(said, Told)] == ["Endpoint/e1"]


def test_what_is_nested_less_deeply_is_read(tmp_path: Path) -> None:
    path = tmp_path / "export.ndjson"
    path.write_text(deep(40))
    ((said,),) = [piece.told for piece in read_export(path, LIMITS)]
    assert isinstance(said, Told)


@pytest.mark.parametrize("form", ["export.ndjson.gz", "export.json.gz"])
def test_a_small_file_that_unpacks_to_more_than_a_file_may_have_is_not_read_on(tmp_path: Path, form: str) -> None:
    path, limits = tmp_path / form, replace(LIMITS, file_bytes=4 * 2**20, entry_bytes=64 * 2**20)
    with gzip.open(path, "wb") as file:
        file.write(b'{"resourceType":"Bundle","entry":[' if ".json." in form else b"")
        for _ in range(64):
            file.write(b" " * 2**20)
    assert path.stat().st_size < 2**20
    with pytest.raises(ExportUnreadable, match="unpacks to more than"):
        list(read_export(path, limits))


@pytest.mark.parametrize("value", ['"' + "x" * 4 * 2**20 + '"', "[" + "[]," * 2**20 + "[]]"])
def test_an_entry_of_a_bundle_is_read_to_its_limit_alone(tmp_path: Path, value: str) -> None:
    path = tmp_path / "export.json"
    path.write_text(as_bundle(json.dumps(endpoint(1)), f'{{"resourceType":"Location","id":"l","address":{value}}}'))
    pieces = read_export(path, LIMITS)
    with pytest.raises(ExportUnreadable, match="an entry of more than 1048576 bytes"):
        list(pieces)


@pytest.mark.parametrize("packed", [b"\x1f\x8b\x08\x00" + bytes(30), gzip.compress(b"{}")[:-9] + b"\xff" * 9, b"{}"])
def test_what_is_packed_wrongly_is_a_file_that_cannot_be_read(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "export.ndjson.gz"
    path.write_bytes(packed)
    with pytest.raises(ExportUnreadable, match="cannot be read to its end"):
        list(read_export(path, LIMITS))


def test_a_number_that_nobody_can_reckon_with_does_not_stop_the_program(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(as_bundle('{"resourceType":"Location","id":"l","position":{"latitude":' + "9" * 10_000 + "}}"))
    with pytest.raises(ExportUnreadable, match="not JSON"):
        list(read_export(path, LIMITS))
