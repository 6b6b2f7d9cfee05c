"""One running sandbox for all system tests: the whole system as its own processes, started by its own command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

START_TIMEOUT_S = 300
STOP_TIMEOUT_S = 100


@dataclass
class Sandbox:
    """A running sandbox and its commands."""

    directory: Path
    ready: dict[str, Any]

    def run(self, command: str, *arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Runs one of the sandbox's commands on it."""
        return subprocess.run(
            [sys.executable, "-m", "sandbox", command, "--dir", str(self.directory), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def sign_in(self, *arguments: str) -> dict[str, str]:
        """Signs somebody in and returns user id, access token and device id."""
        done = self.run("sign-in", *arguments)
        assert done.returncode == 0, done.stderr
        account: dict[str, str] = json.loads(done.stdout)
        return account

    def call(self, *arguments: str) -> tuple[int, Any]:
        """Makes a machine call and returns status and body."""
        done = self.run("call", *arguments)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        return answer["status"], answer["body"]


def start_sandbox(directory: Path) -> tuple[subprocess.Popen[str], Sandbox]:
    """Starts a sandbox in a folder and waits until everything answers."""
    file = directory / "ready.json"
    command = [sys.executable, "-m", "sandbox", "up", "--dir", str(directory), "--ready", str(file), "--no-story"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not file.exists():
        if process.poll() is not None:
            assert process.stdout is not None
            pytest.fail(f"the sandbox did not start:\n{process.stdout.read()}")
        assert time.monotonic() < deadline, "the sandbox did not get ready"
        time.sleep(0.1)
    return process, Sandbox(directory, json.loads(file.read_text()))


def stop(process: subprocess.Popen[str]) -> float:
    """Ends a sandbox as Ctrl-C does and returns how long that took, in seconds."""
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(STOP_TIMEOUT_S)
    return time.monotonic() - started


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The sandbox that all tests share; what a test changes must not matter to the others."""
    process, running = start_sandbox(tmp_path_factory.mktemp("sandbox"))
    try:
        yield running
    finally:
        stop(process)
