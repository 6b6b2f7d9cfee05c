"""The contract for scripts: the READY file, signing in, and a machine call for every row of the contracts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from joserfc.jwk import ECKey

from messenger_core.service_auth.keys import public_jwks

if TYPE_CHECKING:
    from tests.system.conftest import Sandbox

AS_OF = "2030-01-01T00:00:00Z"
LONG_AGO = "2000-01-01T00:00:00Z"
NO_ROOM = "!nowhere:hek.localhost"


def test_the_ready_file_has_what_scripts_need(sandbox: Sandbox) -> None:
    ready = sandbox.ready
    for key in ("homeserver", "server_name", "gesundheitsid", "directory", "bot", "support_user", "service_user"):
        assert isinstance(ready[key], str)
        assert ready[key]
    assert {"erika", "max", "jonas", "otto", "lena"} <= set(ready["people"])
    assert all({"kvnr", "pin"} <= set(person) for person in ready["people"].values())
    opted_in = {name: practice["opted_in"] for name, practice in ready["practices"].items()}
    assert opted_in == {"sommer": True, "winter": False, "herbst": True}
    assert all(practice["user_id"] and practice["telematik_id"] for practice in ready["practices"].values())
    assert set(ready["agents"]) == {"berg", "tal"}
    assert ready["support_rooms"]
    assert Path(ready["log_dir"]).is_dir()
    assert {"homeserver", "directory", "bot", "retention"} <= set(ready["database"])
    callers = {"core-system", "homeserver", "directory", "bot", "retention", "sommer", "winter", "herbst"}
    assert callers <= set(ready["keys"])
    for path in ready["keys"].values():
        assert Path(path).stat().st_mode & 0o077 == 0


async def test_the_admin_token_is_an_administrators(sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {sandbox.ready['admin_token']}"}
    address = f"{sandbox.ready['homeserver']}/_synapse/admin/v1/server_version"
    async with aiohttp.ClientSession() as http, http.get(address, headers=headers) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("name", ["jonas", "herbst", "tal"])
def test_people_practices_and_agents_sign_in(sandbox: Sandbox, name: str) -> None:
    account = sandbox.sign_in(name, "--device", "LAPTOP")
    assert set(account) == {"user_id", "access_token", "device_id"}
    assert account["device_id"] == "LAPTOP"
    assert sandbox.sign_in(name)["user_id"] == account["user_id"]


@pytest.mark.parametrize(("name", "reason"), [("otto", "HEK"), ("lena", "GesundheitsID"), ("nobody", "nobody")])
def test_a_refused_sign_in_says_why(sandbox: Sandbox, name: str, reason: str) -> None:
    done = sandbox.run("sign-in", name)
    assert done.returncode != 0
    assert not done.stdout
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


Row = tuple[str, str, str, dict[str, Any] | None, int, dict[str, Any]]


def rows(sandbox: Sandbox) -> list[Row]:
    """Caller, method, path, body, expected status, and what the answer's body holds at least."""
    jonas = {"kvnr": sandbox.ready["people"]["jonas"]["kvnr"]}
    user = {"user_id": sandbox.sign_in("jonas")["user_id"]}
    sommer = sandbox.ready["practices"]["sommer"]
    key = ECKey.import_key(json.loads(Path(sandbox.ready["keys"]["sommer"]).read_text()))
    provision = {
        "telematik_id": sommer["telematik_id"],
        "display_name": "Hausarztpraxis Dr. Sommer",
        "jwks": public_jwks(key),
        "active": True,
    }
    profile = {
        "name": "Hausarztpraxis Dr. Sommer",
        "specialties": ["ALLG"],
        "address": {"line": "Lange Reihe 1", "postcode": "20099", "city": "Hamburg"},
    }
    visible = {"visible_to_insured": True, "consent_text": "2026-11"}
    leave = {**user, "room_ids": [NO_ROOM], "consent_event_id": "$consent", "consented_at": 1}
    refused = {"refused": [{"room_id": NO_ROOM, "reason": "not-a-care-room"}]}
    return [
        ("core-system", "POST", "homeserver:/memberships/status", jonas, 200, {"stage": "insured", "account": True}),
        (
            "core-system",
            "POST",
            "homeserver:/memberships/end",
            {**jonas, "on": "2199-01-01", "reason": "other"},
            200,
            {},
        ),
        (
            "core-system",
            "POST",
            "homeserver:/memberships/status",
            jonas,
            200,
            {"stage": "announced", "on": "2199-01-01"},
        ),
        ("core-system", "POST", "homeserver:/memberships/undo", jonas, 200, {}),
        ("core-system", "POST", "homeserver:/memberships/status", jonas, 200, {"stage": "insured"}),
        ("core-system", "POST", "homeserver:/memberships/end", {**jonas, "on": "tomorrow", "reason": "other"}, 400, {}),
        (
            "core-system",
            "POST",
            "homeserver:/memberships/batch",
            {"statements": [{**jonas, "undo": True}, {"on": "2026-01-01"}]},
            200,
            {"accepted": 1, "outdated": 0},
        ),
        ("operator", "POST", "homeserver:/kvnr-keys/rotate", {}, 200, {"resealed": 0, "remaining": 0}),
        ("bot", "POST", "homeserver:/insured/lookup", user, 200, {"kind": "insured", **jonas, "locked": False}),
        ("retention", "POST", "homeserver:/insured/lookup", {"user_id": "@nobody:x"}, 404, {}),
        ("bot", "GET", "homeserver:/changes?since=0&wait=0", None, 200, {}),
        ("retention", "GET", "homeserver:/changes?since=0&wait=0", None, 200, {}),
        ("retention", "GET", f"homeserver:/care-rooms/idle?as_of={AS_OF}&page=", None, 200, {}),
        ("retention", "POST", "homeserver:/care-rooms/leave", leave, 200, {"done": [], **refused}),
        ("retention", "POST", "homeserver:/care-rooms/forget", leave, 200, {"done": [], **refused}),
        ("retention", "PUT", "homeserver:/insured/retention", {**user, "months": 12}, 200, {**user, "months": 12}),
        ("retention", "PUT", "homeserver:/insured/retention", {**user, "months": 0}, 400, {}),
        ("retention", "POST", "homeserver:/erasures", {"room_id": NO_ROOM, "before": 1, "media": []}, 409, {}),
        ("directory", "PUT", "homeserver:/practices", provision, 200, {"user_id": sommer["user_id"]}),
        ("homeserver", "GET", "directory:/reachable?since=0&wait=0", None, 200, {}),
        ("homeserver", "POST", "directory:/people-search", {"term": "hausarzt", "limit": 5}, 200, {}),
        ("sommer", "GET", "directory:/owner/practice", None, 200, {"state": "opted-in", "user_id": sommer["user_id"]}),
        ("sommer", "PUT", "directory:/owner/practice", profile, 200, {"state": "opted-in"}),
        (
            "sommer",
            "PUT",
            "directory:/owner/visibility",
            {**visible, "visible_to_insured": False},
            200,
            {"state": "paused"},
        ),
        ("sommer", "PUT", "directory:/owner/visibility", visible, 200, {"state": "opted-in"}),
        ("winter", "POST", "directory:/owner/withdraw", {}, 200, {"state": "withdrawn"}),
        ("retention", "GET", f"bot:/v1/retention/due?before={LONG_AGO}", None, 200, {"rooms": []}),
        ("retention", "POST", "bot:/v1/retention/erase", {"before": 1}, 200, {"messages": 0}),
        ("retention", "GET", f"bot:/v1/retention/held?before={LONG_AGO}", None, 200, {"messages": 0, "media": 0}),
    ]


def test_every_row_of_the_contracts_answers(sandbox: Sandbox) -> None:
    for caller, method, path, body, expected, content in rows(sandbox):
        arguments = [caller, method, path] + ([] if body is None else [json.dumps(body)])
        status, answer = sandbox.call(*arguments)
        assert (caller, path, status) == (caller, path, expected), answer
        assert content.items() <= answer.items()


@pytest.mark.parametrize(
    "arguments",
    [
        ("sommer", "POST", "homeserver:/memberships/status", '{"kvnr": "A123456780"}'),
        ("bot", "POST", "homeserver:/erasures", "{}"),
        ("retention", "POST", "homeserver:/memberships/end", "{}"),
        ("sommer", "GET", "directory:/reachable?since=0&wait=0"),
        ("nobody", "GET", "directory:/reachable?since=0&wait=0"),
        ("sommer", "GET", "directory:/nowhere"),
        ("sommer", "PUT", "directory:/owner/practice", "{no json"),
    ],
)
def test_a_call_that_a_caller_may_not_make_fails_with_a_reason(sandbox: Sandbox, arguments: tuple[str, ...]) -> None:
    done = sandbox.run("call", *arguments)
    assert done.returncode != 0
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
