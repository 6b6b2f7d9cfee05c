"""Bad settings stop the homeserver with one clear line."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from synapse.config import ConfigError

from messenger_core.service_auth.keys import generate_private_key
from synapse_modules.app import parse_config
from synapse_modules.rules.kvnr_vault import key_id
from tests.synapse_modules.homeserver_under_test import module_settings

_NAMES = (
    "core-system",
    "directory",
    "bot",
    "retention",
    "operator",
    "homeserver",
    "homeserver-signing",
    "directory-signing",
)


@pytest.fixture
def good(tmp_path: Path) -> dict[str, Any]:
    """The operator's example with keys of this test."""
    keys = {name: generate_private_key() for name in _NAMES}
    return module_settings(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2", keys)


def parsed(tmp_path: Path, settings: dict[str, Any]) -> Any:
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(settings))
    return parse_config({"file": str(path)})


def test_the_operators_example_is_complete(tmp_path: Path, good: dict[str, Any]) -> None:
    configuration = parsed(tmp_path, good)
    assert configuration.settings.token_endpoint == "http://127.0.0.1:1/_synapse/client/hek/oauth2/token"
    assert configuration.clients["retention"].scopes == {
        "insured:read",
        "account:events",
        "retention:act",
        "erasure:act",
    }


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"public_url": "http://matrix.example"}, ["public_url", "https://"]),
        ({"insurer_ik": "123"}, ["IK"]),
        ({"kvnr_lookup_key_file": "/nowhere"}, ["kvnr_lookup_key_file", "/nowhere"]),
        ({"search_timeout_ms": 0}, ["search_timeout_ms", "0"]),
        ({"suport_localpart": "hek"}, ["suport_localpart", "support_localpart"]),
        ({"support_localpart": "operator"}, ["support_localpart", "operator", "service"]),
        ({"service_localpart": "hek"}, ["service_localpart"]),
        ({"accounts": [{"client_id": "x", "localpart": "a", "kind": "service", "display_name": "A"}]}, ["'x'"]),
        ({"accounts": [{"client_id": "bot", "localpart": "a", "kind": "insured", "display_name": "A"}]}, ["kind"]),
    ],
)
def test_a_faulty_value_is_named_in_one_line(
    tmp_path: Path, good: dict[str, Any], changed: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as fault:
        parsed(tmp_path, good | changed)
    assert "\n" not in str(fault.value)
    for word in words:
        assert word in str(fault.value)


def test_keys_of_the_wrong_size_and_equal_keys_are_refused(tmp_path: Path, good: dict[str, Any]) -> None:
    (tmp_path / "short").write_bytes(b"c2hvcnQ=")
    with pytest.raises(ConfigError, match="32 bytes"):
        parsed(tmp_path, good | {"kvnr_lookup_key_file": str(tmp_path / "short")})
    with pytest.raises(ConfigError, match="another key"):
        parsed(tmp_path, good | {"kvnr_lookup_key_file": good["kvnr_encryption_key_file"]})


def test_several_keys_encrypt_and_one_alone_finds(tmp_path: Path, good: dict[str, Any]) -> None:
    keys = [base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
    several, twice = tmp_path / "several", tmp_path / "twice"
    several.write_text("\n".join(keys))
    twice.write_text("\n".join(keys[:1] * 2))
    vault = parsed(tmp_path, good | {"kvnr_encryption_key_file": str(several)}).vault
    assert vault.newest_key_id == key_id(b"\x02" * 32)
    assert vault.knows_key(key_id(b"\x01" * 32))
    with pytest.raises(ConfigError, match="never changed"):
        parsed(tmp_path, good | {"kvnr_lookup_key_file": str(several)})
    with pytest.raises(ConfigError, match="each another one"):
        parsed(tmp_path, good | {"kvnr_encryption_key_file": str(twice)})


@pytest.mark.parametrize("reference", [None, {}, {"file": "/nowhere.yaml"}, {"file": 7}, {"path": "/x"}])
def test_a_wrong_reference_to_the_file_is_refused(reference: object) -> None:
    with pytest.raises(ConfigError):
        parse_config(reference)


def test_synapse_stops_with_the_line_and_without_a_traceback(tmp_path: Path, good: dict[str, Any]) -> None:
    (tmp_path / "modules.yaml").write_text(yaml.safe_dump(good | {"search_timeout_ms": "soon"}))
    reference = {"file": str(tmp_path / "modules.yaml")}
    homeserver = {
        "server_name": "hek.test",
        "report_stats": False,
        "modules": [{"module": "synapse_modules.HekMessenger", "config": reference}],
    }
    (tmp_path / "homeserver.yaml").write_text(yaml.safe_dump(homeserver))
    command = [sys.executable, "-m", "synapse.app.homeserver", "-c", str(tmp_path / "homeserver.yaml")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "search_timeout_ms: 'soon' is not allowed" in ended.stderr
    assert "Traceback" not in ended.stderr
