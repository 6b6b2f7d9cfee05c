"""The operator's examples: each is complete and accepted, and together they describe one system."""

from __future__ import annotations

import base64
import json
import re
import secrets
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from bridge_bot.settings import BotSettings
from directory_service.settings import DirectorySettings
from gesundheitsid.settings import GesundheitsIDSettings
from homeserver_tools.settings import ToolSettings
from messenger_core.service_auth.keys import generate_private_key, public_jwks, write_private_key
from messenger_core.settings import load_settings
from retention.settings import RetentionSettings
from synapse_modules.settings import ModuleSettings

CONFIG = Path(__file__).parent.parent / "config"
MODELS: dict[str, type[BaseModel]] = {
    "bridge_bot": BotSettings,
    "directory_service": DirectorySettings,
    "gesundheitsid": GesundheitsIDSettings,
    "homeserver_tools": ToolSettings,
    "retention": RetentionSettings,
    "synapse_modules": ModuleSettings,
}
FILES = re.compile(r"/etc/hek-messenger/(keys|secrets)/([a-z0-9.-]+)")


def text(name: str) -> str:
    return (CONFIG / name).read_text(encoding="utf-8")


def example(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(text(f"{name}.yaml"))
    return content


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Every key and secret that an example names, as an operator would make them."""
    for folder, name in sorted({match for path in CONFIG.rglob("*.yaml") for match in FILES.findall(path.read_text())}):
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        if name.endswith(".jwk"):
            write_private_key(generate_private_key(), path)
        elif name.endswith(".jwks.json"):
            path.write_text(json.dumps(public_jwks(generate_private_key())))
        else:
            path.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    return tmp_path


@pytest.mark.parametrize("name", MODELS)
def test_an_example_is_accepted(etc: Path, name: str) -> None:
    path = etc / f"{name}.yaml"
    path.write_text(text(f"{name}.yaml").replace("/etc/hek-messenger", str(etc)))
    assert load_settings(MODELS[name], path)


@pytest.mark.parametrize("name", MODELS)
def test_an_example_shows_every_setting(name: str) -> None:
    assert set(example(name)) == set(MODELS[name].model_fields)


def test_every_setting_has_a_comment_above_it() -> None:
    for name in MODELS:
        paragraphs = re.split(r"\n\n+", text(f"{name}.yaml").strip())
        settings = [paragraph for paragraph in paragraphs if re.search(r"^[a-z_]+:", paragraph, re.MULTILINE)]
        assert settings
        assert [paragraph for paragraph in settings if not paragraph.startswith("#")] == []


def test_the_examples_describe_one_system() -> None:
    bot, directory = example("bridge_bot"), example("directory_service")
    retention, module = example("retention"), example("synapse_modules")
    homeserver = yaml.safe_load(text("synapse/homeserver.yaml"))
    server_name = homeserver["server_name"]
    assert {
        module["public_url"],
        homeserver["public_baseurl"].rstrip("/"),
        bot["session"]["homeserver"],
        bot["homeserver_machine"]["url"],
        retention["session"]["homeserver"],
        retention["homeserver_machine"]["url"],
        directory["homeserver"]["url"],
        directory["server_names"][server_name],
    } == {module["public_url"]}
    assert retention["bot"]["url"] == bot["public_url"]
    assert module["directory"]["url"] == directory["public_url"]
    assert bot["session"]["user_id"] == f"@{module['support_localpart']}:{server_name}"
    assert retention["session"]["user_id"] == f"@{module['service_localpart']}:{server_name}"
    assert all(agent.endswith(f":{server_name}") for team in bot["teams"] for agent in team["agents"])
    broker = example("gesundheitsid")
    provider, client = homeserver["oidc_providers"][0], broker["clients"][0]
    assert (provider["issuer"], provider["client_id"]) == (broker["public_url"], client["client_id"])
    assert provider["client_secret_path"] == client["secret_file"]
    assert client["redirect_uris"] == [f"{module['public_url']}/_synapse/client/oidc/callback"]
    ports = [settings["listen"]["port"] for settings in (bot, directory, retention, broker)]
    assert len(set(ports)) == len(ports)


def test_a_private_key_and_its_public_part_have_the_same_name() -> None:
    names = {name for path in CONFIG.rglob("*.yaml") for _, name in FILES.findall(path.read_text())}
    private = {name.removesuffix(".jwk") for name in names if name.endswith(".jwk")}
    public = {name.removesuffix(".jwks.json") for name in names if name.endswith(".jwks.json")}
    # Those whose private part lies with somebody else.
    assert public - private == {"federation-master", "operator", "ownership-verifier"}
    # A component's own signing key needs no public part at the others, but for the directory's.
    assert private - public == {"homeserver-signing", "bot-signing"}


def test_workers_are_read_over_the_same_homeserver() -> None:
    homeserver, shared, worker = (
        yaml.safe_load(text(f"synapse/{name}.yaml")) for name in ("homeserver", "workers", "worker")
    )
    for_clients, for_workers = shared["listeners"]
    assert [for_clients] == homeserver["listeners"]
    assert shared["instance_map"] == {"main": {"host": "127.0.0.1", "port": for_workers["port"]}}
    # What the directory asks is answered by the main process alone.
    assert [listener["resources"] for listener in worker["worker_listeners"]] == [
        [{"names": ["client"], "compress": False}]
    ]
    ports = [for_clients["port"], for_workers["port"], shared["redis"]["port"], worker["worker_listeners"][0]["port"]]
    assert len(set(ports)) == len(ports)
    assert worker["worker_log_config"] == homeserver["log_config"]
