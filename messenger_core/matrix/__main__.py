"""Command line: ``python -m messenger_core.matrix inspect`` and ``accept``, on a service's database."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from pydantic import ConfigDict
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import make_engine
from messenger_core.matrix.clock import present
from messenger_core.matrix.fingerprints import read_fingerprints
from messenger_core.matrix.store.figures import SessionFigures, accounts, session_figures
from messenger_core.matrix.store.identities import Identities
from messenger_core.settings import DatabaseUrl, Settings, SettingsError, load_settings


class _StoreSettings(Settings):
    """Where the account's keys are."""

    model_config = ConfigDict(extra="ignore")

    store_directory: Path


class _ServiceSettings(Settings):
    """Of a service's settings, those that are needed here."""

    model_config = ConfigDict(extra="ignore")

    database: DatabaseUrl
    session: _StoreSettings


def _lines(user_id: str, figures: SessionFigures) -> list[str]:
    rows: list[tuple[str, object]] = [
        *((f"events {state}", number) for state, number in figures.journal.items()),
        *((f"  parked: {reason}", number) for reason, number in figures.parked.items()),
        ("oldest pending (s)", round(figures.oldest_pending_s)),
        ("oldest waiting for its key (s)", round(figures.oldest_waiting_key_s)),
        ("rooms with events to be fetched", figures.rooms_with_gaps),
        *((f"messages {state}", number) for state, number in figures.outbox.items()),
        ("oldest queued (s)", round(figures.oldest_queued_s)),
        ("devices that are owed a room key", figures.unshared_keys),
        ("to-device messages not taken in", figures.undigested_to_device),
        ("one-time keys left", "not known" if figures.one_time_keys_left is None else figures.one_time_keys_left),
    ]
    return [user_id, *(f"  {name:<34}{value:>10}" for name, value in rows)]


async def _inspect(engine: AsyncEngine, write: Callable[[str], object]) -> None:
    """Shows the figures of each account."""
    found = await accounts(engine)
    if not found:
        write("no account has received anything yet\n")
    for user_id in found:
        write("\n".join(_lines(user_id, await session_figures(engine, user_id, present()))) + "\n")


async def _accept(engine: AsyncEngine, owner: str, write: Callable[[str], object]) -> None:
    for user_id in await accounts(engine):
        await Identities(engine, user_id).accept(owner)
    write("the present identity of that person is the one to be trusted from now on\n")


async def _on_database(
    arguments: argparse.Namespace, settings: _ServiceSettings, write: Callable[[str], object]
) -> None:
    file = sa.make_url(settings.database)
    if file.get_backend_name() == "sqlite" and not Path(file.database or "").is_file():
        raise SettingsError(f"database: {file.database!r} does not exist; allowed is the database of a service")
    engine = make_engine(settings.database)
    try:
        if arguments.command == "accept":
            await _accept(engine, arguments.user_id, write)
            return
        await _inspect(engine, write)
        for line in read_fingerprints(settings.session.store_directory):
            write(f"  {line}\n")
    except (OSError, SQLAlchemyError) as fault:
        raise SettingsError(
            f"database: it cannot be read ({type(fault).__name__}); "
            "allowed is the database of a service that was started with this version"
        ) from None
    finally:
        await engine.dispose()


def main(argv: list[str] | None = None) -> int:
    """Runs a command and returns the exit code: 0, or 2 for wrong settings."""
    parser = argparse.ArgumentParser(
        prog="python -m messenger_core.matrix", description="Looks after the Matrix session of a service."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    inspect = commands.add_parser("inspect", help="show what was received and sent and what waits, without any content")
    accept = commands.add_parser("accept", help="trust the identity that a person has now, after it changed")
    for command in (inspect, accept):
        command.add_argument("config", type=Path, help="the service's settings file (YAML)")
    accept.add_argument("user_id", help="the person's Matrix user id; compare the fingerprints with her first")
    arguments = parser.parse_args(argv)
    try:
        settings = load_settings(_ServiceSettings, arguments.config)
        asyncio.run(_on_database(arguments, settings, sys.stdout.write))
    except SettingsError as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
