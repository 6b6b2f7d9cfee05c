"""Settings, the example file, the texts and the command line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from bridge_bot.__main__ import main
from bridge_bot.app import serve
from bridge_bot.rules.conversation import Text
from bridge_bot.settings import BotSettings
from messenger_core.catalogue import Catalogue
from messenger_core.settings import ListenAddress, SettingsError, check_settings

EXAMPLE = Path(__file__).parents[2] / "config" / "bridge_bot.yaml"


def test_the_example_file_has_two_teams_and_five_topics_and_only_known_keys(settings_values: dict[str, Any]) -> None:
    example = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    files = {key: settings_values[key] for key in ("signing_key_file", "session", "homeserver_machine", "database")}
    settings = check_settings(BotSettings, example | files | {"clients": []}, source=EXAMPLE.name)
    assert [team.name for team in settings.teams] == ["leistungen", "mitgliedschaft"]
    assert len(settings.topics) >= 5


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"teams": []}, ["teams", "at least 1"]),
        ({"promise_hours": 48}, ["promise_hours: unknown key", "allowed here"]),
        ({"teams": [{"name": "Team A"}]}, ["teams.0.name", "Team A"]),
        (
            {"topics": [{"key": "a", "team": "fehlt", "title_de": "A", "title_en": "A"}]},
            ["the team 'fehlt' of topic 'a' does not exist", "leistungen, mitgliedschaft"],
        ),
    ],
)
def test_a_wrong_setting_is_one_line_with_key_value_and_what_is_allowed(
    settings_values: dict[str, Any], change: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(SettingsError) as fault:
        check_settings(BotSettings, settings_values | change, source="bridge_bot.yaml")
    for part in parts:
        assert part in str(fault.value)


def test_every_text_that_the_rules_name_is_in_the_catalogue() -> None:
    assert {text.value for text in Text} <= Catalogue.of("bridge_bot").keys()


def test_a_process_with_wrong_settings_ends_with_code_2_and_no_traceback(tmp_path: Path) -> None:
    config = tmp_path / "bot.yaml"
    config.write_text("public_url: http://example.org\n", encoding="utf-8")
    command = [sys.executable, "-m", "bridge_bot", "run", "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert "bot.yaml: public_url: 'http://example.org' is not allowed" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_database_that_cannot_be_opened_is_one_line_and_code_2(
    settings_values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "bot.yaml"
    config.write_text(yaml.safe_dump(settings_values | {"database": "sqlite:////nowhere/b.db"}), encoding="utf-8")
    assert main(["report", "--config", str(config)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("database: it cannot be opened (")


async def test_a_port_in_use_is_a_settings_error_that_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"listen: 127.0.0.1 port {port} cannot be used"):
            await serve(web.Application(), ListenAddress(host="127.0.0.1", port=port))


@pytest.mark.parametrize("report_format", ["table", "json", "csv"])
def test_the_report_is_written_in_every_format(
    settings_values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], report_format: str
) -> None:
    config = tmp_path / "bot.yaml"
    config.write_text(yaml.safe_dump(settings_values), encoding="utf-8")
    arguments = ["report", "--config", str(config), "--format", report_format, "--as-of", "2026-11-24T20:15:00+01:00"]
    assert main(arguments) == 0
    written = capsys.readouterr().out
    if report_format == "json":
        report = json.loads(written)
        assert report["as_of"] == "2026-11-24T19:15:00Z"
        assert report["summary"]["blocks"] == 0
    else:
        assert written.startswith("ticket")


def test_a_moment_without_a_zone_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", "--config", "x", "--as-of", "2026-11-24"])
    assert ended.value.code == 2
    assert "a moment with a zone is needed" in capsys.readouterr().err
