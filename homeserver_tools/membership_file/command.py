"""Sends one file, alone, and says what became of its rows."""

from __future__ import annotations

import asyncio
import fcntl
import json
import sys
from collections.abc import Callable
from pathlib import Path

from homeserver_tools.exit_status import ExitStatus
from homeserver_tools.membership_file.journal import Journal, Progress
from homeserver_tools.membership_file.sending import Sender
from homeserver_tools.settings import ToolSettings
from messenger_core.service_auth.client import CallFailed


async def _send(
    settings: ToolSettings, path: Path, journal: Journal, patience_s: float, say: Callable[[str], None]
) -> Progress:
    async with settings.client() as client:
        return await Sender(client, patience_s=patience_s, tell=say).send(path, journal)


def send_file(settings: ToolSettings, path: Path, *, patience_s: float, say: Callable[[str], None]) -> ExitStatus:
    """Sends a file or the rest of it, prints a JSON summary, and returns the exit status."""
    try:
        held = path.open("rb")
    except OSError as fault:
        say(f"the file cannot be read ({fault.strerror})")
        return ExitStatus.UNUSABLE
    with held:
        try:
            # Given back by the system when the process ends, however it ends.
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another run is sending this file")
            return ExitStatus.UNUSABLE
        journal = Journal(path)
        try:
            progress = asyncio.run(_send(settings, path, journal, patience_s, say))
        except CallFailed as fault:
            say(f"not finished, run it again to go on: {fault}")
            return ExitStatus.UNFINISHED
    summary = {name: getattr(progress, name) for name in ("rows", "accepted", "outdated", "rejected")}
    sys.stdout.write(json.dumps(summary | {"report": str(journal.report) if progress.rejected else None}) + "\n")
    return ExitStatus.REJECTED if progress.rejected else ExitStatus.DONE
