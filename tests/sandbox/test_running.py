"""One sandbox a folder: the lock, the ports, and what scripts are told when none runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.running import AlreadyRunning, Folder, NotRunning, own_folder, read_running


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_folder_belongs_to_one_sandbox_at_a_time(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    lock = own_folder(folder)
    with pytest.raises(AlreadyRunning, match="running"):
        own_folder(folder)
    lock.close()
    own_folder(folder).close()


def test_a_second_up_on_a_folder_is_refused_in_one_line_and_leaves_the_ready_file_alone(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text("{}")
    with own_folder(Folder(tmp_path)):
        done = run("up", "--dir", str(tmp_path), "--ready", str(ready), "--no-story")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "already" in done.stderr
    assert ready.exists()


@pytest.mark.parametrize("command", [["sign-in", "erika"], ["call", "bot", "GET", "homeserver:/changes"], ["story"]])
def test_commands_on_a_folder_without_a_sandbox_say_so_in_one_line(tmp_path: Path, command: list[str]) -> None:
    done = run(command[0], "--dir", str(tmp_path), *command[1:])
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "no sandbox is ready" in done.stderr


def test_what_a_killed_sandbox_left_behind_does_not_count_as_running(tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text(json.dumps({"homeserver": "http://127.0.0.1:1"}))
    with pytest.raises(NotRunning):
        read_running(tmp_path)
