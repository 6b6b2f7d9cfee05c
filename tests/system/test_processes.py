"""A second sandbox beside the first, started twice on the same data; how it ends; how a bad setting is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.system.conftest import start_sandbox, stop

if TYPE_CHECKING:
    from tests.system.conftest import Sandbox


def children_of(pid: int) -> set[int]:
    """All processes below one, as Linux tells."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child} | children_of(child)
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_second_sandbox_runs_beside_the_first_and_twice_on_its_data(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("a second sandbox")
    accounts: list[dict[str, Any]] = []
    for _ in range(2):
        process, second = start_sandbox(directory)
        try:
            assert second.ready["homeserver"] != sandbox.ready["homeserver"]
            accounts.append({key: second.ready[key] for key in ("people", "practices", "agents", "support_rooms")})
            children = children_of(process.pid)
            assert len(children) >= 5
        finally:
            seconds = stop(process)
        # Ctrl-C is promised to take at most 10 s; a test on a busy machine allows ten times that.
        assert seconds < 100
        assert process.returncode == 0
        assert not [child for child in children if alive(child)]
    assert accounts[0] == accounts[1]


def test_a_folder_has_one_sandbox(sandbox: Sandbox) -> None:
    done = sandbox.run("up", "--ready", str(sandbox.directory / "other.json"), "--no-story")
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert str(sandbox.directory) in done.stderr


def test_commands_without_a_sandbox_say_so(tmp_path: Path) -> None:
    for command in (["sign-in", "erika"], ["story"], ["call", "bot", "GET", "directory:/reachable"]):
        arguments = [sys.executable, "-m", "sandbox", command[0], "--dir", str(tmp_path), *command[1:]]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert len(done.stderr.strip().splitlines()) == 1
        assert str(tmp_path) in done.stderr


@pytest.mark.parametrize(
    ("component", "command", "key"),
    [
        ("directory", ["directory_service"], "public_url"),
        ("bot", ["bridge_bot", "run"], "public_url"),
        ("bot", ["bridge_bot", "report"], "public_url"),
        ("retention", ["retention", "run"], "support_years"),
        ("retention", ["retention", "--future", "--as-of", "2030-01-01"], "support_years"),
    ],
)
def test_a_bad_setting_ends_a_component_with_one_clear_line(
    sandbox: Sandbox, tmp_path: Path, component: str, command: list[str], key: str
) -> None:
    settings = yaml.safe_load(Path(sandbox.ready["config"][component]).read_text())
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(settings | {key: "ftp://nowhere"}))
    arguments = [sys.executable, "-m", *command, "--config", str(path)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert key in lines[0]
    assert "ftp://nowhere" in lines[0]


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("insurer_ik", "12345", "IK"),
        ("public_url", "https://elsewhere.example", "public_baseurl"),
        ("gesundheitsid_idp_id", "nowhere", "gesundheitsid, staff"),
    ],
)
def test_a_bad_setting_of_the_module_ends_synapse_with_a_clear_line(
    sandbox: Sandbox, tmp_path: Path, key: str, value: str, allowed: str
) -> None:
    module = yaml.safe_load(Path(sandbox.ready["config"]["synapse-modules"]).read_text())
    module_path = tmp_path / "synapse_modules.yaml"
    module_path.write_text(yaml.safe_dump(module | {key: value}))
    homeserver = Path(sandbox.ready["config"]["homeserver"]).read_text()
    path = tmp_path / "homeserver.yaml"
    path.write_text(homeserver.replace(sandbox.ready["config"]["synapse-modules"], str(module_path)))
    command = [sys.executable, "-m", "synapse.app.homeserver", "-c", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert "Traceback" not in told
    line = next(line for line in told.splitlines() if f"{key}: " in line)
    assert value in line
    assert allowed in line
