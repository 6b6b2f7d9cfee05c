"""The nightly file of ended memberships, sent by its command to a real homeserver; also killed, and sent again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.synapse_modules.homeserver_under_test import (
    REPOSITORY,
    Homeserver,
    SignInRefused,
    claims,
    new_kvnr,
)
from tests.synapse_modules.test_memberships_over_http import core_system, day


def command(homeserver: Homeserver, path: Path, **changed: Any) -> list[str]:
    settings = {"url": homeserver.base, "client_id": "core-system", "key_file": f"{homeserver.folder}/core-system.jwk"}
    config = path.with_name("tools.yaml")
    config.write_text(yaml.safe_dump(settings | changed))
    return [sys.executable, "-m", "homeserver_tools", "membership-file", str(path), "--config", str(config)]


async def send(homeserver: Homeserver, path: Path, *more: str, **changed: Any) -> tuple[int, dict[str, Any], str]:
    """Runs the command: its exit status, its summary, and what it said meanwhile."""
    process = await asyncio.create_subprocess_exec(
        *command(homeserver, path, **changed),
        *more,
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(out or b"{}"), said.decode()


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    # By the clock that the homeserver goes by, which ``make test-clocks`` shifts; the file system's is the machine's.
    os.utime(path, ns=(time.time_ns(), time.time_ns()))
    return path


def end(kvnr: str, **changed: Any) -> dict[str, Any]:
    return {"kvnr": kvnr, "on": day(), "reason": "insurer-switch"} | changed


async def test_each_row_is_taken_or_reported_and_a_second_run_changes_nothing(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    gone, stays, stranger = (new_kvnr() for _ in range(3))
    person = await homeserver.sign_in(claims(gone))
    other = await homeserver.sign_in(claims(stays))
    await core_system(homeserver, "end", kvnr=stays, on=day(), reason="other")
    path = write(
        tmp_path / "ends.ndjson",
        end(gone),
        end("A123456789"),
        "",
        end(stranger, on="2026-02-30"),
        "no JSON",
        end(stranger),
        end(stranger, **{stranger: stranger}),
        {"kvnr": stays, "undo": True},
        {"kvnr": stays, "undo": False},
        [stranger],
    )
    for _ in range(2):
        status, summary, said = await send(homeserver, path)
        assert (status, summary["rows"], summary["accepted"], summary["rejected"]) == (1, 9, 3, 6), said
        report = Path(summary["report"]).read_text()
        lines = [json.loads(line) for line in report.splitlines()]
        assert [(line["line"], line["errors"][0]["field"]) for line in lines] == [
            (2, "kvnr"),
            (4, "on"),
            (5, ""),
            (7, "(not described)"),
            (9, "undo"),
            (10, ""),
        ]
        assert not any(kvnr in report + said for kvnr in (gone, stays, stranger, "A123456789"))
        assert (await homeserver.call(person, "GET", "/account/whoami"))[0] == 401
        assert (await homeserver.call(other, "GET", "/account/whoami"))[0] == 200
        with pytest.raises(SignInRefused, match="beendet"):
            await homeserver.sign_in(claims(stranger))


async def test_an_old_file_that_is_sent_late_does_not_overrule_what_was_said_since(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    kvnr = new_kvnr()
    person = await homeserver.sign_in(claims(kvnr))
    path = write(tmp_path / "ends.ndjson", end(kvnr))
    yesterday = time.time() - 86_400
    os.utime(path, (yesterday, yesterday))
    await core_system(homeserver, "undo", kvnr=kvnr)
    assert (await send(homeserver, path))[:2] == (
        0,
        {"rows": 1, "accepted": 0, "outdated": 1, "rejected": 0, "report": None},
    )
    assert (await homeserver.call(person, "GET", "/account/whoami"))[0] == 200
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".yaml"] == ["ends.ndjson"]


async def test_a_killed_run_goes_on_where_it_was_and_no_two_send_at_once(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    kvnrs = list({new_kvnr() for _ in range(6000)})
    path = write(tmp_path / "ends.ndjson", *(end(kvnr, on=day(20)) for kvnr in kvnrs))
    process = await asyncio.create_subprocess_exec(*command(homeserver, path), cwd=REPOSITORY)
    await homeserver.until((tmp_path / "ends.ndjson.progress").exists, within_s=60)
    process.send_signal(signal.SIGSTOP)
    status, _, said = await send(homeserver, path)
    assert (status, "another run" in said) == (2, True)
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    status, summary, said = await send(homeserver, path)
    assert (status, summary["rows"], summary["accepted"]) == (0, len(kvnrs), len(kvnrs))
    assert "going on after line" in said
    assert homeserver.rows("SELECT count(*) FROM hek_membership WHERE ends_on = ?", day(20)) == [(len(kvnrs),)]


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"key_file": "/nowhere"}, 2, "key_file"),
        ({"client_id": "bot"}, 3, "401"),
        ({"url": "http://127.0.0.1:9"}, 3, "no answer"),
    ],
)
async def test_what_keeps_the_file_from_being_sent_is_said_and_has_its_status(
    homeserver: Homeserver, tmp_path: Path, changed: dict[str, Any], status: int, words: str
) -> None:
    path = write(tmp_path / "ends.ndjson", end(new_kvnr()))
    found, _, said = await send(homeserver, path, "--patience", "0", **changed)
    assert (found, words in said) == (status, True), said
    assert (await send(homeserver, path))[0] == 0


async def test_a_batch_is_bounded(homeserver: Homeserver) -> None:
    wrong: tuple[object, ...] = ([], [end(new_kvnr())] * 1001, {})
    for statements in wrong:
        status, answer = await core_system(homeserver, "batch", statements=statements)
        assert (status, answer["type"]) == (400, "urn:hek-messenger:problem:invalid-body")
