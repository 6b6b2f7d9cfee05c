"""The command line: ``python -m homeserver_tools membership-file FILE`` or ``rotate-kvnr-keys``."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from homeserver_tools.exit_status import ExitStatus
from homeserver_tools.kvnr_keys import rotate_keys
from homeserver_tools.membership_file.command import send_file
from homeserver_tools.settings import ToolSettings
from messenger_core.settings import SettingsError, load_settings

_CONFIG = Path("/etc/hek-messenger/homeserver_tools.yaml")


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m homeserver_tools", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    file = commands.add_parser(
        "membership-file",
        description="Sends a file of ended memberships (NDJSON, a statement a line) to the homeserver. "
        "Exit status: 0 all rows were taken, 1 rows were rejected (see FILE.rejected.ndjson; the others were taken), "
        "2 it cannot be started so, 3 it was not finished: run it again, it goes on where it was.",
    )
    file.add_argument("file", type=Path, metavar="FILE")
    file.add_argument(
        "--patience", type=float, default=900, metavar="SECONDS", help="how long an outage is waited out; default: 900"
    )
    rotate = commands.add_parser(
        "rotate-kvnr-keys",
        description="Seals every KVNR with the newest key of kvnr_encryption_key_file, after all processes of the "
        "homeserver were restarted with it. Exit status: 0 all are, 2 it cannot be started so, 3 not finished: run it "
        "again, it goes on where it was.",
    )
    for command in (file, rotate):
        command.add_argument("--config", type=Path, default=_CONFIG, metavar="FILE")
    return parser.parse_args(arguments)


def _say(line: str) -> None:
    sys.stderr.write(f"homeserver_tools: {line}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Runs one command and returns the exit status, see ``--help``."""
    parsed = _arguments(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = load_settings(ToolSettings, parsed.config)
        if parsed.command == "rotate-kvnr-keys":
            return rotate_keys(settings, _say)
        return send_file(settings, parsed.file, patience_s=parsed.patience, say=_say)
    except SettingsError as fault:
        _say(str(fault))
        return ExitStatus.UNUSABLE
    except KeyboardInterrupt:
        _say("interrupted, run it again to go on")
        return ExitStatus.UNFINISHED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
