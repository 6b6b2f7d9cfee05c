"""The command line as an operator uses it: exit status, one JSON line, and one clear line a fault."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import open_database
from messenger_core.settings import SettingsError, load_settings
from retention.__main__ import main
from retention.app import _serve, check_proof
from retention.settings import RetentionSettings
from tests.retention.stand_ins import write_settings

NOBODY = "http://127.0.0.1:9"


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "retention", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_fault_in_the_settings_is_one_line_and_status_two(tmp_path: Path) -> None:
    path = write_settings(tmp_path, NOBODY, NOBODY)
    path.write_text(path.read_text() + "support_years: 50\n")
    result = _command("run", "--config", str(path))
    assert (result.returncode, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    assert "support_years" in line
    assert "50" in line
    assert "30" in line


@pytest.mark.parametrize(
    ("replaced", "by", "named"),
    [
        ("port: ", "prot: ", "listen.prot: unknown key; allowed here: host, port"),
        ("sqlite:///", "mysql:///", "sqlite:///PATH"),
        ("homeserver: http://", "homeserver: ftp://", "https://"),
        ("store-key", "no-such-file", "no such file"),
        ("/retention.db", "/no/such/folder/retention.db", "a file in a folder that this user can write"),
    ],
)
@pytest.mark.parametrize("command", ["run", "erasures"])
def test_each_fault_names_key_and_what_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], replaced: str, by: str, named: str, command: str
) -> None:
    path = write_settings(tmp_path, NOBODY, NOBODY)
    path.write_text(path.read_text().replace(replaced, by))
    assert main([command, "--config", str(path)]) == 2
    output = capsys.readouterr()
    assert named in output.err
    assert "Traceback" not in output.err


def test_a_missing_settings_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(tmp_path / "none.yaml")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_moment_without_sense_is_status_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--as-of", "next year", "--config", str(tmp_path)]) == 2
    assert "--as-of: 'next year' is not allowed" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["erasures"], ["offers"]])
def test_a_moment_in_the_future_needs_an_explicit_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    settings = str(write_settings(tmp_path, NOBODY, NOBODY))
    assert main([*command, "--as-of", "2999-01-01", "--config", settings]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.splitlines()
    assert "lies in the future" in line
    assert "--future" in line
    # With it the jobs begin, and fail here because nobody answers.
    assert main([*command, "--as-of", "2999-01-01", "--future", "--config", settings]) == 1
    assert '"failed"' in capsys.readouterr().out


@pytest.mark.parametrize("option", [["--future"], ["--dry-run"], ["--accept-count", "3"], ["--as-of", "2020-01-01"]])
@pytest.mark.parametrize("command", ["run", "proof"])
def test_options_of_the_jobs_are_refused_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, option: list[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, *option, "--config", str(tmp_path)])
    assert option[0] in capsys.readouterr().err


def test_jobs_without_answer_say_so_in_json_and_status_one(tmp_path: Path) -> None:
    result = _command("--as-of", "2027-05-24", "--future", "--config", str(write_settings(tmp_path, NOBODY, NOBODY)))
    assert result.returncode == 1
    summary = json.loads(result.stdout)
    assert summary["done"] is False
    assert summary["as_of"] == "2027-05-23T22:00:00+00:00"
    assert "no answer" in summary["offers"]["failed"]
    assert "no answer" in summary["erasures"]["failed"]
    assert "something due remains" in result.stderr


def test_the_proof_is_checked_and_a_forged_row_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write_settings(tmp_path, NOBODY, NOBODY))
    assert main(["proof", "--config", path]) == 0
    assert "whole: 0 rows" in capsys.readouterr().err
    with sqlite3.connect(tmp_path / "retention.db") as database:
        database.execute("INSERT INTO erasure_proof VALUES (1, 'x', '{}', 'y')")
    assert main(["proof", "--config", path]) == 1
    assert "broken at row 1" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "erasures", "proof"])
def test_an_unforeseen_fault_is_status_one_without_its_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    async def fails(*_: object) -> AsyncEngine:
        raise KeyError("@erika:messenger.example in !room:messenger.example")

    monkeypatch.setattr("retention.app.open_database", fails)
    assert main([command, "--config", str(write_settings(tmp_path, NOBODY, NOBODY))]) == 1
    output = capsys.readouterr()
    assert "stopped: KeyError at " in output.err
    assert "messenger.example" not in output.out + output.err


def test_a_database_that_cannot_be_opened_is_named_without_its_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_settings(tmp_path, NOBODY, NOBODY)
    settings = load_settings(RetentionSettings, path)
    unreachable = settings.model_copy(update={"database": "postgresql://hek:geheim@127.0.0.1:9/retention"})
    with pytest.raises(SettingsError) as fault:
        asyncio.run(check_proof(unreachable))
    assert "database: it cannot be opened" in str(fault.value)
    assert "geheim" not in str(fault.value)


async def test_health_is_503_while_the_database_does_not_answer(tmp_path: Path) -> None:
    settings = load_settings(RetentionSettings, write_settings(tmp_path, NOBODY, NOBODY))
    engine = await open_database(settings.database, "retention")
    serving = asyncio.create_task(_serve(settings.listen, engine))
    try:
        assert await _health(settings) == 200
        await engine.dispose()
        (tmp_path / "retention.db").write_bytes(b"no database" * 1000)
        assert await _health(settings) == 503
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await engine.dispose()


async def _health(settings: RetentionSettings) -> int:
    """The status of ``GET /health``, as soon as there is one."""
    async with aiohttp.ClientSession() as http:
        for _ in range(100):
            try:
                async with http.get(f"http://127.0.0.1:{settings.listen.port}/health") as answer:
                    return answer.status
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
    raise AssertionError("nothing listens")
