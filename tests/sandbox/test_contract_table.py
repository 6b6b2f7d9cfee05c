"""The table behind ``call`` says the same as docs/contracts.md, row by row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox.contract_table import CALLS, OPEN, PERSONAL, NotInContract, find_call

CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts.md"


def documented() -> set[tuple[str, str, str, str]]:
    rows: set[tuple[str, str, str, str]] = set()
    component = ""
    for line in CONTRACTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            # Of the other sections none has machine calls; the broker's are those of OpenID Connect.
            heading = re.match(r"## (Homeserver|Directory|Bot)\b", line)
            component = heading[1].lower() if heading else ""
        row = re.match(r"\| `(GET|POST|PUT|DELETE) ([^`?]+)[^`]*`[^|]*\| ([^|]+) \|", line)
        if not (component and row):
            continue
        method, path, scope = row[1], row[2], row[3].strip()
        plain = {"none": OPEN, "the ": PERSONAL}
        scope = plain.get(scope[:4], scope.strip("`"))
        rows.add((component, method, path if path.startswith("/") else f"/v1/{path}", scope))
    return rows


def test_every_row_of_the_contracts_can_be_called_with_its_scope() -> None:
    rows = documented()
    assert len(rows) >= 20
    assert {(call.component, call.method, call.path, call.scope) for call in CALLS} == rows


@pytest.mark.parametrize("path", ["/memberships/end", "/v1/memberships/end", "/_synapse/client/hek/v1/memberships/end"])
def test_a_path_of_the_homeserver_may_be_short(path: str) -> None:
    target = find_call("post", f"homeserver:{path}")
    assert target.path == "/_synapse/client/hek/v1/memberships/end"
    assert target.call.scope == "membership:write"


def test_a_moment_with_its_zone_can_be_typed_plainly() -> None:
    target = find_call("GET", "bot:/v1/retention/due?before=2027-01-01T00:00:00+01:00")
    assert target.path == "/v1/retention/due?before=2027-01-01T00:00:00%2B01:00"


@pytest.mark.parametrize("address", ["nowhere:/x", "/reachable", "directory:/reachable/more", "retention:/health"])
def test_what_the_contract_does_not_know_is_refused(address: str) -> None:
    with pytest.raises(NotInContract):
        find_call("GET", address)
