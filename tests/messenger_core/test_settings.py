"""A bad setting is one clear line that names the key, the value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import model_validator

from messenger_core.settings import (
    BaseUrl,
    DatabaseUrl,
    ExistingFile,
    ListenAddress,
    Settings,
    SettingsError,
    UserId,
    load_settings,
    read_secret,
)


class Example(Settings):
    """Settings as a component has them."""

    listen: ListenAddress
    url: BaseUrl = "https://example.org"
    database: DatabaseUrl = "sqlite:///x.db"
    key_file: ExistingFile | None = None
    user: UserId = "@bot:example.org"


def fault(tmp_path: Path, text: str) -> str:
    path = tmp_path / "example.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as error:
        load_settings(Example, path)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("listen: {port: 70000}", ["example.yaml: listen.port: 70000 is not allowed", "65535"]),
        ("listen: {port: 80}\nurl: http://example.org", ["url: 'http://example.org' is not allowed", "https://"]),
        ("listen: {port: 80}\ndatabase: mysql://x", ["database: 'mysql://x'", "sqlite:///PATH", "postgresql://"]),
        ("listen: {port: 80}\nkey_file: /nowhere/key", ["key_file", "/nowhere/key", "no such file"]),
        ("listen: {port: 80}\nurl: http://localhost.evil.example", ["url:", "https://"]),
        ("listen: {port: 80}\nurl: http://127.0.0.1@evil.example", ["url:", "without user"]),
        ("listen: {port: 80}\nuser: bot", ["user: 'bot'", "@name:server.example"]),
        ("listen: {port: 80}\nlisten_on: 1", ["listen_on: unknown key", "allowed here: database, key_file, listen"]),
        ("listen: {port: 80, ip: 1}", ["listen.ip: unknown key; allowed here: host, port"]),
        ("url: https://example.org", ["listen: is missing"]),
        ("[", ["is not valid YAML"]),
        ("", ["listen: is missing"]),
        ("- 1", ["(the whole file)"]),
    ],
)
def test_each_fault_is_one_line(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = fault(tmp_path, text)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_rule_about_several_keys_is_told_in_its_own_words(tmp_path: Path) -> None:
    class Pair(Settings):
        """Two numbers that must differ."""

        one: int
        other: int

        @model_validator(mode="after")
        def _differ(self) -> Pair:
            if self.one == self.other:
                raise ValueError("other: must not be the same as one")
            return self

    path = tmp_path / "pair.yaml"
    path.write_text("one: 1\nother: 1")
    with pytest.raises(SettingsError, match=r"^pair\.yaml: other: must not be the same as one$"):
        load_settings(Pair, path)


@pytest.mark.parametrize("user", ["hek:geheim", "hek:ge#heim", "hek:geheim@", "hek:ge?heim"])
@pytest.mark.parametrize("name", ["hek", "hek?password=geheim"])
def test_a_password_in_a_database_address_is_refused_and_not_repeated(tmp_path: Path, user: str, name: str) -> None:
    message = fault(tmp_path, f"listen: {{port: 80}}\ndatabase: 'postgresql://{user}@127.0.0.1/{name}'")
    assert "PGPASSFILE" in message
    assert "heim" not in message


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    assert len(fault(tmp_path, "listen: {port: 0}\nurl: ftp://x").splitlines()) == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"missing\.yaml: cannot be read"):
        load_settings(Example, tmp_path / "missing.yaml")


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("\n")
    with pytest.raises(SettingsError, match="empty"):
        read_secret(path)
