"""The command line as an operator uses it: exit status, one JSON line, and one clear line a fault."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from retention.__main__ import main
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
        ("/retention.db", "/no/such/folder/retention.db", "its folder or server must exist"),
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


def test_jobs_without_answer_say_so_in_json_and_status_one(tmp_path: Path) -> None:
    result = _command("--as-of", "2027-05-24", "--config", str(write_settings(tmp_path, NOBODY, NOBODY)))
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
