"""The settings that a sandbox writes are the operator's examples with its own values, accepted by every component."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from bridge_bot.settings import BotSettings
from directory_service.settings import DirectorySettings
from gesundheitsid.settings import GesundheitsIDSettings
from messenger_core.settings import load_settings
from retention.settings import RetentionSettings
from sandbox.identity_provider.settings import IdentityProviderSettings
from sandbox.keys import keep_keys
from sandbox.own_addresses import own_address
from sandbox.running import Folder
from sandbox.settings_files import PORTS, SettingsFiles
from synapse_modules.settings import ModuleSettings

EXAMPLES = Path(__file__).parents[2] / "config"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A sandbox's folder with keys and settings; its path has a space and an umlaut."""
    folder = Folder(tmp_path / "Sandkasten für alle")
    folder.databases.mkdir(parents=True)
    keep_keys(folder.keys.folder)
    SettingsFiles(folder, {name: 20_000 + number for number, name in enumerate(PORTS)}).write()
    return folder


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("identity_provider", IdentityProviderSettings),
        ("gesundheitsid", GesundheitsIDSettings),
        ("directory_service", DirectorySettings),
        ("bridge_bot", BotSettings),
        ("retention", RetentionSettings),
        ("synapse_modules", ModuleSettings),
    ],
)
def test_every_component_accepts_its_settings(folder: Folder, name: str, model: type[BaseModel]) -> None:
    load_settings(model, folder.config / f"{name}.yaml")


def test_no_path_of_the_examples_is_left(folder: Folder) -> None:
    for file in folder.config.iterdir():
        text = file.read_text(encoding="utf-8")
        assert "/etc/" not in text, file.name
        assert "/var/" not in text, file.name


def test_the_homeserver_listens_on_loopback_only(folder: Folder) -> None:
    homeserver = yaml.safe_load((folder.config / "homeserver.yaml").read_text(encoding="utf-8"))
    assert {address for listener in homeserver["listeners"] for address in listener["bind_addresses"]} == {"127.0.0.1"}


def test_the_homeservers_limits_are_those_that_are_shipped(folder: Folder) -> None:
    example = yaml.safe_load((EXAMPLES / "synapse" / "homeserver.yaml").read_text(encoding="utf-8"))
    homeserver = yaml.safe_load((folder.config / "homeserver.yaml").read_text(encoding="utf-8"))
    shipped = {key: value for key, value in example.items() if key.startswith("rc_")}
    assert shipped
    assert {key: value for key, value in homeserver.items() if key.startswith("rc_")} == shipped


def test_everybody_has_an_address_of_their_own() -> None:
    addresses = {own_address(f"person-{number}") for number in range(1000)}
    assert len(addresses) > 990
    assert "127.0.0.1" not in addresses
    assert all(ip_address(address).is_loopback for address in addresses)
    assert own_address("erika") == own_address("erika")
