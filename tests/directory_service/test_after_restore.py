"""A copy of the audit log brings back, after a restore, what practices had withdrawn since the backup."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from directory_service.__main__ import main
from directory_service.store.practices import PracticeStore
from directory_service.store.reachable_set import ReachableSet
from messenger_core.database import open_database
from sandbox.ports import reserve_port
from tests.directory_service.bench import settings_for
from tests.directory_service.store.made_up import NOW, opted_in, profile


class _Operator:
    """Runs the directory's commands, on a database with practices."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.database, self.backup, self.copy = folder / "d.db", folder / "backup.db", folder / "audit.ndjson"
        self._settings = folder / "directory_service.yaml"
        self._monkeypatch, self._capsys = monkeypatch, capsys
        url = f"http://127.0.0.1:{reserve_port()}"
        said = settings_for(folder, url=url, homeserver=url, database=f"sqlite:///{self.database}")
        self._settings.write_text(yaml.safe_dump(said), "utf-8")

    def run(self, *command: str) -> tuple[int, str]:
        """The exit code, and what was said."""
        self._monkeypatch.setattr(sys, "argv", ["directory_service", "--config", str(self._settings), *command])
        code = main()
        shown = self._capsys.readouterr()
        return code, shown.out + shown.err

    def happen(self, what: Callable[[PracticeStore], Awaitable[object]]) -> None:
        """Something happens to practices."""

        async def work() -> None:
            engine = await open_database(f"sqlite:///{self.database}", "directory_service")
            await what(PracticeStore(engine))
            await engine.dispose()

        asyncio.run(work())

    def reachable(self) -> tuple[str, ...]:
        """Whom insured people may reach."""

        async def read() -> tuple[str, ...]:
            engine = await open_database(f"sqlite:///{self.database}", "directory_service")
            found = (await ReachableSet(engine).since(None)).add
            await engine.dispose()
            return found

        return asyncio.run(read())


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> _Operator:
    """Somebody who keeps a copy, whose backup is older than it."""
    operator = _Operator(tmp_path, monkeypatch, capsys)

    async def before(store: PracticeStore) -> None:
        for telematik_id in ("1-1", "1-2", "1-3"):
            await opted_in(store, telematik_id)

    async def after(store: PracticeStore) -> None:
        await store.withdraw("1-1", NOW)
        await store.write_profile("1-2", replace(profile("1-2"), hide_from_insured=True), NOW)
        await opted_in(store, "1-4")

    operator.happen(before)
    assert operator.run("copy-audit", str(operator.copy)) == (0, "9 entries were added\n")
    shutil.copy(operator.database, operator.backup)
    operator.happen(after)
    return operator


def restore(operator: _Operator) -> None:
    shutil.copy(operator.backup, operator.database)


def test_who_left_or_changed_since_the_backup_is_not_reachable_after_it(operator: _Operator) -> None:
    assert operator.run("copy-audit", str(operator.copy)) == (0, "5 entries were added\n")
    assert operator.run("copy-audit", str(operator.copy)) == (0, "0 entries were added\n")
    restore(operator)
    assert len(operator.reachable()) == 3, "the backup brings back who had left"
    code, said = operator.run("copy-audit", str(operator.copy))
    assert (code, "restored" in said) == (1, True)
    assert operator.run("after-restore", str(operator.copy)) == (
        0,
        "2 practices were hidden or taken out; 1 joined after the backup and have to join again\n",
    )
    assert operator.reachable() == ("@practice-1-3:messenger.example",)
    assert operator.run("verify-audit")[1].startswith("the audit log holds: 11 entries")
    code, said = operator.run("after-restore", str(operator.copy))
    assert (code, "changed since it was restored" in said) == (1, True)


def test_a_copy_that_was_torn_by_a_kill_goes_on_whole(operator: _Operator) -> None:
    operator.run("copy-audit", str(operator.copy))
    whole = operator.copy.read_bytes()
    for kept in (0, 1, len(whole) // 2, len(whole) - 1):
        operator.copy.write_bytes(whole[:kept])
        assert operator.run("copy-audit", str(operator.copy))[0] == 0
        assert operator.copy.read_bytes() == whole
    assert operator.copy.stat().st_mode & 0o777 == 0o600


def test_what_is_no_copy_of_this_log_hides_nobody(operator: _Operator) -> None:
    operator.run("copy-audit", str(operator.copy))
    lines = operator.copy.read_text("ascii").splitlines(keepends=True)
    restore(operator)
    shown = operator.reachable()
    for faulty in (
        "",
        "no log\n",
        "".join(lines[1:]),
        "".join(lines).replace("withdrawn", "paused"),
        "".join(lines[:5]),
        "".join(lines).replace('"at":', '"at":"'),
    ):
        operator.copy.write_text(faulty, "ascii")
        assert operator.run("after-restore", str(operator.copy))[0] == 1, faulty[:80]
    assert operator.reachable() == shown
