"""Settings: a fault is one clear line and ends the process with code 2; the operator's example is complete."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from directory_service.app import open_application
from directory_service.settings import DirectorySettings
from messenger_core.settings import SettingsError, load_settings
from sandbox.ports import reserve_port
from tests.directory_service.bench import settings_for

EXAMPLE = Path(__file__).parents[2] / "config" / "directory_service.yaml"


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    url, homeserver = f"http://127.0.0.1:{reserve_port()}", f"http://127.0.0.1:{reserve_port()}"
    return settings_for(tmp_path, url=url, homeserver=homeserver, database=f"sqlite:///{tmp_path}/d.db")


def start(folder: Path, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Starts the process with settings that it should refuse."""
    file = folder / "directory_service.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    command = [sys.executable, "-m", "directory_service", "--config", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda v: v.pop("public_url"), "public_url: is missing"),
        (lambda v: v.update(public_url="http://directory.example"), "public_url: 'http://directory.example' is not"),
        (lambda v: v.update(colour="red"), "colour: unknown key; allowed here: "),
        (lambda v: v["homeserver"].update(key_file="/nowhere"), "homeserver.key_file: '/nowhere' is not allowed: no "),
        (lambda v: v["homeserver_clients"][0].update(scopes=["all"]), "homeserver_clients.0.scopes.0: 'all' is not"),
        (lambda v: v["homeserver_clients"].append(v["homeserver_clients"][0]), "each client_id may stand there once"),
        (lambda v: v["ownership_verifiers"].append(v["ownership_verifiers"][0]), "each issuer may stand there once"),
        (lambda v: v.update(ownership_verifiers=[]), "ownership_verifiers: [] is not allowed"),
        (lambda v: v.update(server_names={"a": "ftp://a"}), "server_names.a: 'ftp://a' is not allowed"),
    ],
)
def test_a_fault_is_one_line_with_key_value_and_what_is_allowed(
    values: dict[str, Any], tmp_path: Path, change: Change, line: str
) -> None:
    change(values)
    file = tmp_path / "directory_service.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(SettingsError) as fault:
        load_settings(DirectorySettings, file)
    assert line in str(fault.value)
    assert len(str(fault.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda v: v["listen"].update(port=0), "directory_service.yaml: listen.port: 0 is not allowed"),
        (lambda v: v["listen"].update(host="192.0.2.1"), "listen: 192.0.2.1 port "),
    ],
)
def test_the_process_stops_with_one_line_and_code_2(
    values: dict[str, Any], tmp_path: Path, change: Change, line: str
) -> None:
    change(values)
    done = start(tmp_path, values)
    assert done.returncode == 2
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda v: v.update(database="sqlite:////nowhere/d.db"),
            "database: it cannot be opened",
        ),
        (lambda v: v.update(signing_key_file=v["ownership_verifiers"][0]["jwks_file"]), "is not a private"),
        (lambda v: v["ownership_verifiers"][0].update(jwks_file=v["signing_key_file"]), "is not a public JWK set"),
    ],
)
async def test_what_the_files_hold_is_checked_before_anything_is_served(
    values: dict[str, Any], change: Change, line: str
) -> None:
    change(values)
    with pytest.raises(SettingsError) as fault:
        async with open_application(DirectorySettings.model_validate(values)):
            pass
    assert line in str(fault.value)
    assert len(str(fault.value).splitlines()) == 1


async def test_a_database_that_cannot_be_opened_is_named_without_its_address(values: dict[str, Any]) -> None:
    settings = DirectorySettings.model_validate(values)
    unreachable = settings.model_copy(update={"database": "postgresql://hek:geheim@127.0.0.1:9/directory"})
    with pytest.raises(SettingsError) as fault:
        async with open_application(unreachable):
            pass
    assert "database: it cannot be opened" in str(fault.value)
    assert "geheim" not in str(fault.value)


def test_the_operators_example_has_every_setting(values: dict[str, Any]) -> None:
    example = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert set(example) == set(values) == set(DirectorySettings.model_fields)
    paths = {key: str(Path(values["signing_key_file"])) for key in ("key_file", "jwks_file", "signing_key_file")}

    def with_files(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: paths.get(key, with_files(value)) for key, value in part.items()}
        return [with_files(member) for member in part] if isinstance(part, list) else part

    DirectorySettings.model_validate(with_files(example))
    assert "/etc/hek-messenger/" in json.dumps(example)
