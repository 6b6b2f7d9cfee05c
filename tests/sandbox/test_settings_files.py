"""The settings that a sandbox writes are the operator's examples with its own values, accepted by every component."""

from __future__ import annotations

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
from sandbox.running import Folder
from sandbox.settings_files import PORTS, SettingsFiles
from synapse_modules.settings import ModuleSettings


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
