"""The story from sign-in to answer, played twice on the same data; what went over the wire; what was logged."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Sandbox

STEPS = list(range(1, 11))
# What people write in the story; none of it may stand anywhere in clear outside their clients.
WRITTEN = ["Befund", "Rezept", "Versehen", "Krankengeld wird", "Wann kommt mein", "Akte liegt", "Krankschreibung"]


@pytest.fixture(scope="module")
def plays(sandbox: Sandbox) -> list[list[dict[str, Any]]]:
    """The story played twice, each play as its steps."""
    played = []
    for _ in range(2):
        done = sandbox.run("story", "--json", timeout_s=600)
        played.append([json.loads(line) for line in done.stdout.splitlines()])
        assert done.returncode == 0, done.stdout + done.stderr
    return played


def rows(sandbox: Sandbox, query: str) -> list[tuple[Any, ...]]:
    path = sandbox.ready["database"]["homeserver"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def test_every_step_of_every_play_is_as_it_should_be(plays: list[list[dict[str, Any]]]) -> None:
    for steps in plays:
        assert [step["step"] for step in steps] == STEPS
        assert all(step["ok"] for step in steps)
        assert all(step["what"] and step["seconds"] >= 0 for step in steps)


@pytest.mark.usefixtures("plays")
def test_messages_are_megolm_in_the_homeservers_database(sandbox: Sandbox) -> None:
    events = [json.loads(text) for (text,) in rows(sandbox, "SELECT json FROM event_json")]
    messages = [event for event in events if "state_key" not in event and event["content"]]
    assert len(messages) > 10
    assert {event["type"] for event in messages} <= {"m.room.encrypted", "m.room.redaction", "m.reaction"}
    encrypted = [event["content"] for event in messages if event["type"] == "m.room.encrypted"]
    assert {content["algorithm"] for content in encrypted} == {"m.megolm.v1.aes-sha2"}
    assert not any("body" in content or "url" in content for content in encrypted)


@pytest.mark.usefixtures("plays")
def test_nothing_that_people_wrote_stands_in_a_file_of_the_system(sandbox: Sandbox) -> None:
    files = [path for path in sandbox.directory.rglob("*") if path.is_file()]
    assert len(files) > 20
    found = {(path.name, text) for path in files for text in WRITTEN if text.encode() in path.read_bytes()}
    assert not found


@pytest.mark.usefixtures("plays")
def test_no_log_names_a_person(sandbox: Sandbox) -> None:
    # Everybody who ever signed in, those of the plays included, as the identity provider knows them.
    people = json.loads((sandbox.directory / "state" / "people.json").read_text())["people"]
    assert len(people) > len(sandbox.ready["people"])
    secrets = {word for person in people for word in (person["kvnr"], *person["display_name"].split())}
    secrets |= {"Hausarztpraxis", "hausarzt", *WRITTEN}
    logs = list(Path(sandbox.ready["log_dir"]).iterdir())
    assert len(logs) >= 5
    found = {(log.name, text) for log in logs for text in secrets if text in log.read_text(errors="replace")}
    assert not found


@pytest.mark.usefixtures("plays")
def test_no_log_of_ours_says_who_is_in_which_room(sandbox: Sandbox) -> None:
    accounts = {user for (user,) in rows(sandbox, "SELECT user_id FROM hek_account WHERE kind = 'insured'")}
    assert accounts
    logs = [path for path in Path(sandbox.ready["log_dir"]).iterdir() if "homeserver" not in path.name]
    found = {(log.name, user) for log in logs for user in accounts if user in log.read_text(errors="replace")}
    assert not found
