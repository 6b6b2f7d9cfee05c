"""Files of the national directory: entered anywhere they say the same, and what is no statement is named."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from directory_service.adapters.export_files import read_export
from directory_service.rules.reading.element import Fault
from directory_service.rules.told_resource import Told
from tests.directory_service.vzd_samples import bundle, endpoint, entry, write_lines

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
    whole = list(read_export(path))
    told = [said.reference for piece in whole for said in piece.told if isinstance(said, Told)]
    assert told == [*(f"{one['resourceType']}/{one['id']}" for one in RESOURCES), "Endpoint/e9"]
    for place, piece in enumerate(whole, start=1):
        assert list(read_export(path, piece.number, piece.offset)) == whole[place:]


def test_a_line_without_end_is_left_out_and_the_next_is_read(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "export.ndjson", ["x" * (17 * 1024 * 1024), endpoint(1)])
    long, good = read_export(path)
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
    (piece,) = read_export(write_lines(tmp_path / "export.ndjson", [json.dumps(document)]))
    assert [said.expression for said in piece.told if isinstance(said, Fault)] == [expression]
