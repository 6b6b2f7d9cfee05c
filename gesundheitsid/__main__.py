"""The broker's process: ``python -m gesundheitsid --config FILE [make-keys | rotate-keys PURPOSE | end-sessions]``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from gesundheitsid.adapters.key_file import KeyFile
from gesundheitsid.app import end_sessions, run
from gesundheitsid.rules.key_ring import PURPOSES
from gesundheitsid.settings import GesundheitsIDSettings
from messenger_core.clock import present
from messenger_core.log import fault_without_text, log_to_stderr
from messenger_core.settings import SettingsError, load_settings


def _say(line: str) -> None:
    print(line)  # noqa: T201 - what the operator asked for


def _complain(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - the operator at the terminal reads it


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gesundheitsid", description="The broker to the TI federation.")
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="the settings (YAML)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help="without one: serve")
    commands.add_parser("make-keys", help="make the key file, unless it is there")
    rotating = commands.add_parser("rotate-keys", help="use the key that was announced, and announce a fresh one")
    rotating.add_argument("purpose", choices=PURPOSES)
    commands.add_parser("end-sessions", help="end a person's sessions; her KVNR is read from standard input")
    return parser


def main() -> int:
    """Serves until SIGTERM or SIGINT, or does what the command says.

    Returns:
        The exit code: 0, 2 if the settings cannot be used, 1 for any other failure.
    """
    arguments = _parser().parse_args()
    log_to_stderr()
    try:
        settings = load_settings(GesundheitsIDSettings, arguments.config)
        keys = KeyFile(settings.keys_file, settings.public_url)
        if arguments.command == "make-keys":
            made = keys.make(present())
            _say(f"{settings.keys_file} {'is made' if made else 'was there already; nothing is changed'}")
        elif arguments.command == "rotate-keys":
            keys.rotate(arguments.purpose, present())
            _say(f"the next key for {arguments.purpose} is used now; a fresh one is announced")
        elif arguments.command == "end-sessions":
            ended = asyncio.run(end_sessions(settings, sys.stdin.readline().strip()))
            _say(f"sessions ended: {ended}")
        else:
            asyncio.run(run(settings))
    except SettingsError as fault:
        _complain(str(fault))
        return 2
    except Exception as fault:  # noqa: BLE001 - a traceback could quote a person's data
        _complain(f"stopped: {fault_without_text(fault)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
