"""A bare Synapse whose accounts sign in with a key: it can be stopped, killed and started again."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import yaml
from joserfc.jwk import ECKey
from signedjson.key import generate_signing_key, write_signing_keys

from messenger_core.service_auth.keys import generate_private_key, public_jwks, write_private_key
from sandbox.ports import reserve_port
from tests.synapse_process import HOMESERVER, SynapseProcess, start_synapse

_START_TIMEOUT_S = 120
SERVER_NAME = "session.localhost"
CLIENT_ID = "tester"
# The only thing that stock Synapse lacks here: the login type with a key. Whoever holds the key may be anybody.
_LOGIN_MODULE = '''
"""Signs anybody in who holds the test's key."""
import datetime, json
from messenger_core.service_auth.assertions import verify_statement
from messenger_core.service_auth.keys import parse_jwks

class KeyLogin:
    def __init__(self, config, api):
        self.api, self.config = api, config
        api.register_password_auth_provider_callbacks(
            auth_checkers={("de.hek.login.private_key_jwt", ("assertion",)): self.check})

    @staticmethod
    def parse_config(config):
        return config

    async def check(self, username, login_type, submission):
        verify_statement(submission["assertion"], parse_jwks(self.config["jwks"]), issuer="tester",
                         audience=self.config["url"] + "/_matrix/client/v3/login",
                         now=datetime.datetime.now(datetime.timezone.utc), max_lifetime=datetime.timedelta(minutes=1))
        user_id = self.api.get_qualified_user_id(username)
        if await self.api.check_user_exists(user_id) is None:
            await self.api.register_user(username)
        return user_id, None
'''
WITHOUT_LIMIT = {"per_second": 10_000, "burst_count": 10_000}


@dataclass
class Homeserver:
    """A homeserver and the key that opens it."""

    url: str
    key: ECKey
    key_file: Path
    folder: Path
    process: SynapseProcess | None = None

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.folder / "homeserver.db"

    def launch(self) -> None:
        """Starts it without waiting."""
        # Synapse runs in the folder itself, so that it finds the login module there.
        self.process = start_synapse(HOMESERVER, [self.folder / "homeserver.yaml"], folder=self.folder, log=self._log)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self.launch()
        assert self.process is not None
        _wait_for(f"{self.url}/health", self.process, self._log)

    def stop(self) -> None:
        """Stops it."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(_START_TIMEOUT_S)

    def kill(self) -> None:
        """Ends it at once, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(_START_TIMEOUT_S)

    @property
    def _log(self) -> Path:
        return self.folder / "log"


def make_homeserver(
    folder: Path, more_settings: Mapping[str, object] | None = None, *, public_url: str | None = None
) -> Homeserver:
    """Writes a homeserver's settings and keys into an empty folder; ``start`` starts it.

    Args:
        folder: where everything of it lies, on SQLite.
        more_settings: of Synapse, beside or instead of those here.
        public_url: the address under which accounts sign in, if something stands before it.
    """
    key, key_file = generate_private_key(), folder / "tester.jwk"
    write_private_key(key, key_file)
    port = reserve_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "key_login.py").write_text(_LOGIN_MODULE)
    settings = _settings(folder, public_url or url, port, key) | dict(more_settings or {})
    (folder / "homeserver.yaml").write_text(yaml.safe_dump(settings))
    with (folder / "signing.key").open("w") as file:
        write_signing_keys(file, [generate_signing_key("a_test")])
    return Homeserver(url, key, key_file, folder)


def _settings(folder: Path, url: str, port: int, key: ECKey) -> dict[str, object]:
    return {
        "server_name": SERVER_NAME,
        "public_baseurl": url,
        "pid_file": str(folder / "pid"),
        "listeners": [
            {"port": port, "type": "http", "bind_addresses": ["127.0.0.1"], "resources": [{"names": ["client"]}]}
        ],
        "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
        "signing_key_path": str(folder / "signing.key"),
        "media_store_path": str(folder / "media"),
        "macaroon_secret_key": "for this test only",
        "form_secret": "for this test only",
        "report_stats": False,
        "trusted_key_servers": [],
        "password_config": {"enabled": False},
        "rc_message": {"per_second": 1000, "burst_count": 1000},
        "rc_login": {"address": {"per_second": 1000, "burst_count": 1000}},
        "modules": [{"module": "key_login.KeyLogin", "config": {"url": url, "jwks": public_jwks(key)}}],
    }


def unlimited() -> dict[str, object]:
    """Settings without any rate limit, for tests that send as fast as they can."""
    return {
        "rc_message": WITHOUT_LIMIT,
        "rc_login": dict.fromkeys(("address", "account", "failed_attempts"), WITHOUT_LIMIT),
        "rc_joins": {"local": WITHOUT_LIMIT},
        "rc_joins_per_room": WITHOUT_LIMIT,
        "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), WITHOUT_LIMIT),
        "rc_key_requests": WITHOUT_LIMIT,
        "rc_room_creation": WITHOUT_LIMIT,
    }


def _wait_for(address: str, process: SynapseProcess, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except (URLError, OSError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "Synapse did not start"
            time.sleep(0.1)
        else:
            return
