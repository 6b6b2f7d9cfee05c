"""The command line: ``python -m retention [run|offers|erasures|proof] --config FILE [--as-of MOMENT]``."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from messenger_core.log import fault_without_text, log_to_stderr
from messenger_core.settings import SettingsError, load_settings
from retention import app
from retention.rules.moments import parse_as_of
from retention.settings import RetentionSettings

_DONE, _REMAINS, _UNUSABLE = 0, 1, 2
_FAILED = 1
_COMMANDS = {
    "run": "the daemon: speaks with insured people, runs both jobs every night at 03:00",
    "offers": "writes the offers to leave old chats that are due",
    "erasures": "erases the support conversations that are due",
    "proof": "checks the proof of erasures and prints it",
}


def _arguments(arguments: list[str]) -> argparse.Namespace:
    commands = "\n".join(f"  {name:10}{meaning}" for name, meaning in _COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m retention",
        description=f"Without a command: offers, then erasures.\n\n{commands}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=[*_COMMANDS], help="see above")
    parser.add_argument("--config", type=Path, default=Path("/etc/hek-messenger/retention.yaml"), metavar="FILE")
    parser.add_argument(
        "--as-of",
        metavar="MOMENT",
        help="do what is due at that moment: a day (00:00 in Germany) or RFC 3339 with its zone; default: now",
    )
    parsed = parser.parse_args(arguments)
    if parsed.as_of is not None and parsed.command in {"run", "proof"}:
        parser.error(f"--as-of: {parsed.command} takes no moment; only the jobs do")
    return parsed


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _jobs(settings: RetentionSettings, as_of: datetime, jobs: tuple[app.Job, ...]) -> int:
    summary = asyncio.run(app.run_jobs(settings, as_of, jobs, _say))
    sys.stdout.write(json.dumps(summary) + "\n")
    if summary["done"]:
        return _DONE
    _say("retention: something due remains, see above; run the same command again once the cause is mended")
    return _REMAINS


def _proof(settings: RetentionSettings) -> int:
    lines, verdict = asyncio.run(app.check_proof(settings))
    sys.stdout.writelines(f"{line}\n" for line in lines)
    if verdict.broken_at is not None:
        _say(f"retention: the proof is broken at row {verdict.broken_at}; the {verdict.rows} rows before it are whole")
        return _REMAINS
    _say(f"retention: the proof is whole: {verdict.rows} rows, last seal {verdict.last_seal}")
    return _DONE


def _run(parsed: argparse.Namespace, as_of: datetime) -> int:
    settings = load_settings(RetentionSettings, parsed.config)
    if parsed.command == "proof":
        return _proof(settings)
    log_to_stderr()
    if parsed.command == "run":
        asyncio.run(app.run(settings))
        return _DONE
    return _jobs(settings, as_of, (parsed.command,) if parsed.command else app.BOTH_JOBS)


def main(arguments: list[str]) -> int:
    """Runs one command and returns the exit status: 0 done, 1 something remains or failed, 2 cannot be started so."""
    parsed = _arguments(arguments)
    try:
        as_of = parse_as_of(parsed.as_of) if parsed.as_of else datetime.now(UTC).replace(microsecond=0)
    except ValueError as fault:
        _say(str(fault))
        return _UNUSABLE
    try:
        return _run(parsed, as_of)
    except SettingsError as fault:
        _say(str(fault))
        return _UNUSABLE
    except KeyboardInterrupt:
        return _REMAINS
    except Exception as fault:  # noqa: BLE001 - a traceback could quote a person's data
        _say(f"stopped: {fault_without_text(fault)}")
        return _FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
