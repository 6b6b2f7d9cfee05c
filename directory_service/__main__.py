"""The directory's process: ``python -m directory_service --config FILE [COMMAND …]``; without one it serves."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from directory_service.adapters.audit_copy_file import CopyUnfit, add_to_copy, lost_after
from directory_service.adapters.import_command import ImportRequest, ImportStopped
from directory_service.app import import_national_directory, run
from directory_service.rules.audit_chain import AuditHead, ChainBroken
from directory_service.settings import DirectorySettings
from directory_service.store.audit_log import AuditLog, HeadMissing
from directory_service.store.changes import VersionUnknown
from directory_service.store.restored_directory import Hidden, hide_lost
from messenger_core.database import open_database
from messenger_core.log import fault_without_text, log_to_stderr
from messenger_core.settings import SettingsError, load_settings


def main() -> int:
    """Serves until SIGTERM or SIGINT, or does what the command says.

    Returns:
        The exit code: 0, 2 if the settings cannot be used, 1 for any other failure.
    """
    parser = argparse.ArgumentParser(prog="python -m directory_service", description="The directory of practices.")
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="the settings (YAML)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help="without one: serve")
    verifying = commands.add_parser("verify-audit", help="check that the audit log is what was written")
    verifying.add_argument("--noted", metavar="HEAD", help="a head that was printed before and must still be in it")
    copying = commands.add_parser("copy-audit", help="add to a copy of the audit log what it lacks")
    copying.add_argument("copy", type=Path, metavar="FILE", help="the copy (NDJSON), kept apart from the database")
    restoring = commands.add_parser("after-restore", help="hide practices whose last word a restored database lost")
    restoring.add_argument("copy", type=Path, metavar="FILE", help="the copy that copy-audit made")
    _add_import(commands.add_parser("import", help="take in an export or a delta of the national directory (VZD)"))
    arguments = parser.parse_args()
    log_to_stderr()
    try:
        settings = load_settings(DirectorySettings, arguments.config)
        if arguments.command == "verify-audit":
            found = asyncio.run(_verify_audit(settings.database, arguments.noted))
            print(f"the audit log holds: {found.entries} entries, head {found.head}")  # noqa: T201 - what was asked for
        elif arguments.command == "copy-audit":
            added = asyncio.run(_copy_audit(settings.database, arguments.copy))
            print(f"{added} entries were added")  # noqa: T201 - what was asked for
        elif arguments.command == "after-restore":
            hidden = asyncio.run(_after_restore(settings.database, arguments.copy))
            print(  # noqa: T201 - what was asked for
                f"{hidden.changed} practices were hidden or taken out; {hidden.unknown} joined after the backup and "
                "have to join again"
            )
        elif arguments.command == "import":
            request = ImportRequest(
                arguments.paths,
                full=not arguments.delta,
                restart=arguments.restart,
                accept_removals=arguments.accept_removals,
                report=arguments.report,
            )
            asyncio.run(import_national_directory(settings, request))
        else:
            asyncio.run(run(settings))
    except SettingsError as fault:
        print(fault, file=sys.stderr)  # noqa: T201 - the operator at the terminal reads it
        return 2
    except (ImportStopped, CopyUnfit, ChainBroken, HeadMissing, VersionUnknown) as stopped:
        print(_told(stopped), file=sys.stderr)  # noqa: T201 - as above
        return 1
    except Exception as fault:  # noqa: BLE001 - a traceback could quote a person's data
        print(f"stopped: {fault_without_text(fault)}", file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0


def _told(stopped: Exception) -> str:
    """Why a command ended early."""
    match stopped:
        case ChainBroken():
            return f"the audit log was changed: it does not hold at entry {stopped.number}"
        case HeadMissing():
            return "the audit log was replaced: the head noted before is not in it"
        case VersionUnknown():
            return (
                "stopped: the database has another history than this process has seen, as after a restore; "
                "started anew, the directory shows what the database has now"
            )
        case CopyUnfit():
            return f"the copy of the audit log cannot be used: {stopped}"
        case _:
            return f"the import stopped: {stopped}"


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help=".json, .ndjson or .jsonl, also with .gz")
    parser.add_argument("--delta", action="store_true", help="the files hold changes, not a whole export")
    parser.add_argument("--restart", action="store_true", help="give an unfinished import up and begin anew")
    parser.add_argument("--accept-removals", action="store_true", help="more than a tenth of the entries is gone")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what could not be taken over (NDJSON)")


async def _copy_audit(database: str, copy: Path) -> int:
    engine = await open_database(database, "directory_service")
    try:
        return await add_to_copy(AuditLog(engine), copy)
    finally:
        await engine.dispose()


async def _after_restore(database: str, copy: Path) -> Hidden:
    engine = await open_database(database, "directory_service")
    try:
        head = await AuditLog(engine).head()
        return await hide_lost(engine, head, lost_after(copy, head), datetime.now(UTC))
    finally:
        await engine.dispose()


async def _verify_audit(database: str, noted: str | None) -> AuditHead:
    engine = await open_database(database, "directory_service")
    try:
        return await AuditLog(engine).verify(noted)
    finally:
        await engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
