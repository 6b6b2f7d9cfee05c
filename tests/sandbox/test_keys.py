"""Keys and secrets are made once, kept, and readable by their owner alone."""

from __future__ import annotations

from pathlib import Path

from messenger_core.service_auth.keys import read_jwks, read_private_key
from sandbox.keys import CALLERS, keep_keys


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_keys_are_kept_at_the_next_start(tmp_path: Path) -> None:
    keep_keys(tmp_path / "keys")
    before = contents(tmp_path / "keys")
    keep_keys(tmp_path / "keys")
    assert contents(tmp_path / "keys") == before


def test_only_what_is_missing_is_made_after_an_interrupted_start(tmp_path: Path) -> None:
    keys = keep_keys(tmp_path / "keys")
    before = contents(keys.folder)
    keys.private("bot").rename(keys.folder / "bot.jwk.new")
    keys.public("bot").unlink()
    keep_keys(keys.folder)
    changed = {name for name, content in contents(keys.folder).items() if before[name] != content}
    assert changed == {"bot.jwk", "bot.jwks.json"}


def test_every_caller_has_a_private_key_and_its_public_part(tmp_path: Path) -> None:
    keys = keep_keys(tmp_path / "keys")
    for caller in CALLERS:
        private = read_private_key(keys.private(caller))
        assert [key.kid for key in read_jwks(keys.public(caller)).keys] == [private.kid]


def test_nobody_else_can_read_a_key(tmp_path: Path) -> None:
    keys = keep_keys(tmp_path / "keys")
    assert {file.stat().st_mode & 0o777 for file in keys.folder.iterdir()} == {0o600}
    assert keys.folder.stat().st_mode & 0o777 == 0o700
