"""Fills a sandbox once: people, the agents' first sign-in, practices that join; then waits until all know of it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from messenger_core.service_auth.keys import read_private_key
from sandbox.faults import SandboxFault
from sandbox.headless_sign_in import sign_in, sign_out
from sandbox.identity_provider.register import write_people
from sandbox.keys import OWNERSHIP_VERIFIER
from sandbox.people import AGENTS, PRACTICES, demo_people
from sandbox.practice_software import join_directory
from sandbox.running import Folder

_WAIT_S = 60.0
_POLL_S = 0.2


class SeedingFailed(SandboxFault):
    """What the sandbox needs did not come about; the text says what, and where to look."""


class Seeded:
    """Who is seeded already, with their user ids; kept in a file, so that a start can be repeated at any point."""

    def __init__(self, path: Path) -> None:
        self._path = path
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self._users: dict[str, dict[str, str]] = {"agents": {}, "practices": {}, **content}

    def users(self, kind: Literal["agents", "practices"]) -> dict[str, str]:
        """User id by name."""
        return dict(self._users[kind])

    def record(self, kind: Literal["agents", "practices"], name: str, user_id: str) -> None:
        """Writes down that somebody is seeded."""
        self._users[kind][name] = user_id
        draft = self._path.with_name(self._path.name + ".new")
        draft.write_text(json.dumps(self._users, indent=2) + "\n", encoding="utf-8")
        draft.replace(self._path)


def seed_people(folder: Folder) -> None:
    """Writes the identity provider's first people, before it starts."""
    folder.people_file.parent.mkdir(parents=True, exist_ok=True)
    if not folder.people_file.exists():
        write_people(folder.people_file, demo_people(), AGENTS)


async def seed_accounts(folder: Folder, *, homeserver: str, directory: str) -> Seeded:
    """Lets the agents sign in and the practices join, unless they did at an earlier start.

    Returns once the homeserver knows that the practices that opted in may be reached.

    Raises:
        SignInRefused: if an agent is refused.
        CallFailed: if a practice is refused.
        SeedingFailed: if the homeserver does not learn of the practices.
    """
    seeded = Seeded(folder.path / "seeded.json")
    for agent in AGENTS:
        if agent.name not in seeded.users("agents"):
            signed_in = await sign_in(homeserver, agent)
            await sign_out(homeserver, signed_in)
            seeded.record("agents", agent.name, signed_in.user_id)
    verifier_key = read_private_key(folder.keys.private(OWNERSHIP_VERIFIER))
    expected: set[str] = set()
    for practice in PRACTICES:
        if practice.name not in seeded.users("practices"):
            key = read_private_key(folder.keys.private(practice.name))
            user_id = await join_directory(practice, key, verifier_key=verifier_key, directory=directory)
            seeded.record("practices", practice.name, user_id)
            if practice.opts_in:
                expected.add(user_id)
    await _until(
        lambda: expected <= {user for (user,) in _rows(folder, "homeserver", "SELECT user_id FROM hek_reachable")},
        f"the homeserver did not learn which practices may be reached (log files: {folder.logs})",
    )
    return seeded


async def team_rooms(folder: Folder, agents: set[str], teams: set[str]) -> dict[str, str]:
    """The newest room of every team, once all exist and all agents are in them or invited.

    Raises:
        SeedingFailed: if that does not come about.
    """
    found: dict[str, str] = {}

    def complete() -> bool:
        found.clear()
        found.update(_rows(folder, "bot", "SELECT team, room_id FROM team_room ORDER BY quarter"))
        return teams <= set(found) and all(agents <= _members(folder, room) for room in found.values())

    await _until(complete, f"the bot did not make the teams' rooms (log file: {folder.logs / 'bot.log'})")
    return found


def _members(folder: Folder, room_id: str) -> set[str]:
    query = "SELECT user_id FROM local_current_membership WHERE room_id = ? AND membership IN ('invite', 'join')"
    return {user for (user,) in _rows(folder, "homeserver", query, room_id)}


def _rows(folder: Folder, component: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    address = f"{(folder.databases / component).as_uri()}.db?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=10)) as connection:
        return connection.execute(query, values).fetchall()


async def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise SeedingFailed(otherwise)
        await asyncio.sleep(_POLL_S)
