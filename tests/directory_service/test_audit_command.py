"""The command that verifies the audit log: its exit code and its one line."""

import asyncio
import sys
from pathlib import Path

import pytest
import yaml

from directory_service.__main__ import main
from directory_service.store.practices import PracticeStore
from directory_service.store.tables import audit
from messenger_core.database import open_database
from sandbox.ports import reserve_port
from tests.directory_service.bench import settings_for
from tests.directory_service.store.made_up import NOW, joining


def test_the_log_is_verified_and_a_changed_entry_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, database = f"http://127.0.0.1:{reserve_port()}", f"sqlite:///{tmp_path}/d.db"
    file = tmp_path / "directory_service.yaml"
    file.write_text(yaml.safe_dump(settings_for(tmp_path, url=url, homeserver=url, database=database)), "utf-8")

    def verify(*more: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["directory_service", "--config", str(file), "verify-audit", *more])
        code = main()
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    async def happen(*, tamper: bool) -> None:
        engine = await open_database(database, "directory_service")
        if tamper:
            async with engine.begin() as connection:
                await connection.execute(audit.update().values(by="1-9"))
        else:
            await PracticeStore(engine).join(joining(), NOW)
        await engine.dispose()

    asyncio.run(happen(tamper=False))
    code, shown = verify()
    assert (code, "holds: 1 entries" in shown) == (0, True)
    head = shown.split()[-1]
    assert verify("--noted", head) == (0, shown)
    code, shown = verify("--noted", "f" * 64)
    assert (code, "replaced" in shown) == (1, True)
    asyncio.run(happen(tamper=True))
    code, shown = verify()
    assert (code, "entry 1" in shown) == (1, True)
