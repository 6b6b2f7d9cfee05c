"""No background task of the module dies unseen, and what cannot be written is said: ``/health`` of a real Synapse."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.synapse_modules.homeserver_under_test import PREFIX, Homeserver, running_homeserver

_TASKS = frozenset(
    {
        "hek_ended_requests",
        "hek_half_made_rooms",
        "hek_insured_only_rooms",
        "hek_lock_watch",
        "hek_marks",
        "hek_oauth_forget",
        "hek_own_accounts",
        "hek_reachability",
        "hek_session_ends",
        "hek_stages",
        "hek_storage",
    }
)


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """A homeserver of its own, whose tasks can be made to fail."""
    folder = tmp_path_factory.mktemp("breakable")
    (folder / "broken-tasks").write_text("")
    with running_homeserver(folder) as homeserver:
        settings = yaml.safe_load((folder / "homeserver.yaml").read_text())
        breaker = {"module": "tests.synapse_modules.task_breaker.TaskBreaker", "config": {"folder": str(folder)}}
        settings["modules"].insert(0, breaker)
        (folder / "homeserver.yaml").write_text(yaml.safe_dump(settings))
        homeserver.stop()
        homeserver.start()
        yield homeserver


async def _health(homeserver: Homeserver) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as http, http.get(f"{homeserver.base}{PREFIX}/health") as answer:
        return answer.status, await answer.json()


async def _becomes(homeserver: Homeserver, wanted: tuple[int, Any]) -> None:
    async def is_so() -> bool:
        try:
            return await _health(homeserver) == wanted
        except aiohttp.ClientError:
            return False

    await homeserver.until_async(is_so)


_WELL = (200, {"status": "ok"})


def _ill(*faults: str) -> tuple[int, Any]:
    return 503, {"status": "unavailable", "faults": list(faults)}


def _break(homeserver: Homeserver, *names: str) -> None:
    (homeserver.folder / "broken-tasks").write_text(" ".join(names))


async def test_every_task_of_the_process_is_supervised(breakable: Homeserver) -> None:
    assert set((breakable.folder / "tasks").read_text().split()) == _TASKS


@pytest.mark.parametrize("name", sorted(_TASKS - {"hek_own_accounts"}))
async def test_a_task_that_fails_is_said_and_begins_anew(breakable: Homeserver, name: str) -> None:
    await _becomes(breakable, _WELL)
    _break(breakable, name)
    try:
        await _becomes(breakable, _ill("background-tasks"))
        assert f"{name} failed, and begins anew in" in (breakable.folder / "homeserver.log").read_text()
    finally:
        _break(breakable)
    await _becomes(breakable, _WELL)


async def test_what_is_done_once_is_tried_until_it_is_done(breakable: Homeserver) -> None:
    breakable.stop()
    _break(breakable, "hek_own_accounts")
    breakable.launch()
    try:
        await _becomes(breakable, _ill("background-tasks"))
    finally:
        _break(breakable)
    await _becomes(breakable, _WELL)


async def test_a_database_that_cannot_be_written_is_said(breakable: Homeserver) -> None:
    await _becomes(breakable, _WELL)
    breakable.change_row("ALTER TABLE hek_schema RENAME TO hek_schema_away")
    try:
        await _becomes(breakable, _ill("database"))
    finally:
        breakable.change_row("ALTER TABLE hek_schema_away RENAME TO hek_schema")
    await _becomes(breakable, _WELL)


async def test_a_disk_that_cannot_be_written_is_said(breakable: Homeserver) -> None:
    """A full disk refuses what is written just as a folder that is none."""
    await _becomes(breakable, _WELL)
    media = Path(breakable.folder, "media")
    aside = media.rename(breakable.folder / "media-aside")
    media.write_text("")
    try:
        await _becomes(breakable, _ill("disk"))
    finally:
        media.unlink()
        shutil.move(aside, media)
    await _becomes(breakable, _WELL)
