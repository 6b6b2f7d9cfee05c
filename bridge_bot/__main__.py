"""Command line: ``python -m bridge_bot run`` and ``python -m bridge_bot report``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import datetime
from pathlib import Path

from bridge_bot.app import report, run
from bridge_bot.report_formats import FORMATS
from bridge_bot.settings import BotSettings
from messenger_core.clock import present
from messenger_core.log import fault_without_text, log_to_stderr
from messenger_core.settings import SettingsError, load_settings


def _moment(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{value!r} is not allowed: a moment with a zone is needed, like 2026-11-24T20:15:00+01:00"
        )
    return moment


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bridge_bot", description="The HEK Messenger.")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="run the messenger until SIGTERM")
    reporting = commands.add_parser("report", help="show how the 24-hour promise was kept")
    for command in (running, reporting):
        command.add_argument("--config", type=Path, required=True, help="the settings file (YAML)")
    reporting.add_argument("--as-of", type=_moment, help="the moment to look from, with a zone; now if left out")
    reporting.add_argument("--format", choices=sorted(FORMATS), default="table")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Runs a command and returns the exit code: 0, 2 for wrong settings, 1 for any other failure."""
    arguments = _arguments(argv)
    log_to_stderr()
    try:
        settings = load_settings(BotSettings, arguments.config)
        if arguments.command == "run":
            asyncio.run(run(settings))
        else:
            as_of = arguments.as_of or present()
            asyncio.run(report(settings, as_of, arguments.format, sys.stdout.write))
    except SettingsError as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    except Exception as fault:  # noqa: BLE001 - a traceback could quote a person's data
        sys.stderr.write(f"stopped: {fault_without_text(fault)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
