"""Starts, kills and starts again the process of the service under proof."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bare_homeserver import CLIENT_ID, SERVER_NAME

SERVICE = f"@service:{SERVER_NAME}"
_REPOSITORY = Path(__file__).parents[3]
_STOP_TIMEOUT_S = 30


class SupervisedService:
    """The service's process, its folder and its settings."""

    def __init__(self, folder: Path, url: str, key_file: Path, user_id: str = SERVICE) -> None:
        """Takes an empty folder, and the homeserver's address with the key that opens it."""
        self.folder = folder
        self.database = folder / "service.db"
        self.exits: list[int] = []
        """The exit codes of processes that ended by themselves."""
        self._config = folder / "config.json"
        self._process: subprocess.Popen[bytes] | None = None
        secret = folder / "store-key"
        secret.write_text("only for this proof")
        self._session = {
            "homeserver": url,
            "user_id": user_id,
            "client_id": CLIENT_ID,
            "key_file": str(key_file),
            "store_directory": str(folder / "store"),
            "store_key_file": str(secret),
        }
        self.configure({})

    def configure(self, speaking: Mapping[str, Any]) -> None:
        """Says what the next process is to do beside answering; see ``ServiceSettings``."""
        settings = {"session": self._session, "database": str(self.database)}
        self._config.write_text(json.dumps(settings | dict(speaking)))

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None
        return self._process.pid

    def assert_alive(self) -> None:
        """Fails if the process ended by itself."""
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()

    def revive(self) -> None:
        """Starts the process again if it ended by itself, and notes with which exit code."""
        if self._process is not None and (code := self._process.poll()) is not None:
            self.exits.append(code)
            self.start()

    def start(self) -> None:
        """Starts the process, without waiting for anything."""
        command = [sys.executable, "-m", "tests.system.nothing_lost.service_process", str(self._config)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=_REPOSITORY, stdout=log, stderr=log)

    def kill(self) -> None:
        """Ends the process at once; one that had ended by itself is noted."""
        if self._process is None:
            return
        if (code := self._process.poll()) is not None:
            self.exits.append(code)
        self._process.kill()
        self._process.wait(_STOP_TIMEOUT_S)
        self._process = None
