"""The import as operators run it: a process of its own, files of every form, killed and started again."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.exc import DBAPIError

from directory_service.store.audit_log import AuditLog
from directory_service.store.tables import audit, practice, vzd_file, vzd_link, vzd_resource, vzd_touched
from messenger_core.database import make_engine, open_database
from sandbox.ports import reserve_port
from tests.directory_service.bench import settings_for
from tests.directory_service.vzd_samples import by_kind, endpoint, entry, write_lines

_TABLES = {
    practice: (practice.c.telematik_id, practice.c.state, practice.c.profile, practice.c.listed),
    vzd_resource: (vzd_resource.c.reference, vzd_resource.c.body, vzd_resource.c.source),
    vzd_link: (vzd_link.c.target, vzd_link.c.service),
    vzd_touched: (vzd_touched.c.owner,),
}


class Operator:
    """Somebody with settings, a database and a terminal."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.database = database or f"sqlite:///{folder}/directory.db"
        url = f"http://127.0.0.1:{reserve_port()}"
        self.settings = folder / "directory_service.yaml"
        values = settings_for(folder, url=url, homeserver=url, database=self.database)
        self.settings.write_text(yaml.safe_dump(values), encoding="utf-8")

    def command(self, *arguments: object) -> list[str]:
        """The command line of an import."""
        begin = [sys.executable, "-m", "directory_service", "--config", str(self.settings), "import"]
        return [*begin, *map(str, arguments)]

    def imports(self, *arguments: object) -> tuple[int, str, str]:
        """Runs an import: exit code, output and errors."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr

    def holds(self) -> dict[str, list[Any]]:
        """What the database holds of the import, in an order of its own; the audit log is verified on the way."""

        async def read() -> dict[str, list[Any]]:
            engine = await open_database(self.database, "directory_service")
            try:
                await AuditLog(engine).verify()
                async with engine.connect() as connection:
                    found = {
                        str(table): sorted(map(tuple, await connection.execute(sa.select(*columns))))
                        for table, columns in _TABLES.items()
                    }
                    log = await connection.execute(sa.select(audit.c.telematik_id, audit.c.what))
                    return found | {"audit": sorted(map(tuple, log))}
            finally:
                await engine.dispose()

        return asyncio.run(read())

    def progress(self) -> int:
        """How far an import has come: a number that only grows."""

        async def read() -> int:
            engine = make_engine(self.database)
            try:
                async with engine.connect() as connection:
                    lines = await connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(vzd_file.c.number), 0)))
                    entries = await connection.scalar(sa.select(sa.func.count()).select_from(practice))
                    return int(lines or 0) + int(entries or 0)
            except DBAPIError:
                return 0  # not made yet
            finally:
                await engine.dispose()

        return asyncio.run(read())


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Any]]]:
    """An export, and what is held after an import of it that nobody disturbed."""
    folder = tmp_path_factory.mktemp("calm")
    resources = by_kind(resource for number in range(1, 1501) for resource in entry(number))
    lines: list[Any] = ["no JSON", *resources, "no JSON either"]
    export, operator = write_lines(folder / "export.ndjson", lines), Operator(folder)
    code, out, _ = operator.imports(export)
    assert (code, "1500 new" in out, "2 rejected" in out) == (0, True, True)
    return export, operator.holds()


def test_an_import_that_is_killed_again_and_again_ends_as_if_it_never_was(
    tmp_path: Path, database_url: str, calm: tuple[Path, dict[str, list[Any]]]
) -> None:
    export, expected = calm
    hasty = Operator(tmp_path, database_url)
    killed = 0
    before = hasty.progress()
    while True:
        process = subprocess.Popen(hasty.command(export), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and hasty.progress() < before + 1100:
            time.sleep(0.01)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed, before = killed + 1, hasty.progress()
    assert process.returncode == 0
    assert killed >= 3
    assert hasty.holds() == expected


def test_on_a_terminal_the_progress_is_shown(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    export = write_lines(tmp_path / "export.ndjson", entry(1))
    terminal, other_end = os.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        with os.fdopen(other_end, "wb") as stderr:
            done = subprocess.run(
                operator.command(export), stdout=subprocess.DEVNULL, stderr=stderr, timeout=120, check=False
            )
        assert done.returncode == 0
        said = shown.read(100_000).decode()
    assert "putting entries together" in said
    assert "100%" in said


def test_the_report_names_file_line_and_element_and_nobody(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    secret = "Geheimnisvoll"
    faulty = [entry(1)[0] | {"identifier": [{"system": "x", "value": secret}], "name": secret}, *entry(1)[1:]]
    export = write_lines(tmp_path / "export.ndjson", [*faulty, f"{{{secret}", *entry(2, endpoint(2, secret))])
    report = tmp_path / "report.ndjson"
    code, out, shown = operator.imports("--report", report, export)
    told = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    assert (code, [(one["source"], one["expression"], one["rejected"]) for one in told]) == (
        0,
        [
            ("export.ndjson:5", "", True),
            ("export.ndjson:1", "Organization.identifier", True),
            ("export.ndjson:6", "Endpoint.address", False),
        ],
    )
    assert report.stat().st_mode & 0o777 == 0o600
    assert secret not in out + shown + report.read_text("utf-8")
