"""The command line: ``python -m retention [run|offers|erasures|proof] --config FILE``, and how the jobs run."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path

from messenger_core.clock import present
from messenger_core.log import fault_without_text, log_to_stderr
from messenger_core.settings import SettingsError, load_settings
from retention import app
from retention.rules.moments import check_not_future, parse_as_of
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
    parser.add_argument("--future", action="store_true", help="let --as-of be later than now (to try things out)")
    parser.add_argument("--dry-run", action="store_true", help="show what the jobs would do, and do nothing")
    parser.add_argument(
        "--accept-count",
        type=int,
        metavar="N",
        help="erase up to N messages and files, also if that is more than the settings take for usual",
    )
    parsed = parser.parse_args(arguments)
    of_jobs = {
        "--as-of": parsed.as_of is not None,
        "--future": parsed.future,
        "--dry-run": parsed.dry_run,
        "--accept-count": parsed.accept_count is not None,
    }
    given = [option for option, is_given in of_jobs.items() if is_given]
    if given and parsed.command in {"run", "proof"}:
        parser.error(f"{given[0]}: only for the jobs, not for {parsed.command}")
    return parsed


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _jobs(
    settings: RetentionSettings, as_of: datetime, jobs: tuple[app.Job, ...], *, dry_run: bool, accept_count: int | None
) -> int:
    summary = asyncio.run(app.run_jobs(settings, as_of, jobs, _say, dry_run=dry_run, accept_count=accept_count or 0))
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
    jobs = (parsed.command,) if parsed.command else app.BOTH_JOBS
    return _jobs(settings, as_of, jobs, dry_run=parsed.dry_run, accept_count=parsed.accept_count)


def main(arguments: list[str]) -> int:
    """Runs one command and returns the exit status: 0 done, 1 something remains or failed, 2 cannot be started so."""
    parsed = _arguments(arguments)
    try:
        now = present().replace(microsecond=0)
        as_of = parse_as_of(parsed.as_of) if parsed.as_of else now
        if not parsed.future:
            check_not_future(as_of, now)
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
