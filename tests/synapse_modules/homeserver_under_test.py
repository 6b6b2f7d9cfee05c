"""A real Synapse with the module, booted the way an operator does, and what tests do with it over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import signal
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp
import yaml
from joserfc.jwk import ECKey, KeySet
from signedjson.key import generate_signing_key, write_signing_keys

from messenger_core.homeserver_interface import OAUTH_CALLBACK_PATH
from messenger_core.identifiers import kvnr_check_digit
from messenger_core.service_auth.assertions import make_assertion
from messenger_core.service_auth.client import ServiceClient
from messenger_core.service_auth.keys import generate_private_key, public_jwks, write_private_key
from sandbox.own_addresses import from_own_address
from sandbox.ports import reserve_port
from tests.synapse_modules.browsing import Browser, Page
from tests.synapse_modules.stand_ins import Directory, OpenIdProvider, serving
from tests.synapse_process import HOMESERVER, SynapseProcess, start_synapse

REPOSITORY = Path(__file__).parents[2]
SERVER_NAME = "hek.test"
SUPPORT, SERVICE, OPERATOR = f"@hek:{SERVER_NAME}", f"@hek-service:{SERVER_NAME}", f"@operator:{SERVER_NAME}"
IK = "101570104"
PREFIX = "/_synapse/client/hek"
_CALLBACK = "http://localhost/signed-in"
_CLIENTS = ("core-system", "directory", "bot", "retention", "operator")
MEGOLM = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
CIPHERTEXT = {
    "algorithm": "m.megolm.v1.aes-sha2",
    "sender_key": "A" * 43,
    "ciphertext": "A" * 64,
    "session_id": "A" * 43,
    "device_id": "TEST",
}


class SignInRefused(Exception):  # noqa: N818
    """A sign-in was refused with a page."""


@dataclass(frozen=True)
class SignedIn:
    user_id: str
    access_token: str
    device_id: str


def new_kvnr() -> str:
    digits = f"{secrets.randbelow(10**8):08d}"
    return f"A{digits}{kvnr_check_digit('A', digits)}"


def new_telematik_id() -> str:
    return f"1-2{secrets.randbelow(10**12):012d}"


def claims(kvnr: str, name: str = "Erika Muster", **changed: Any) -> dict[str, Any]:
    """What a GesundheitsID of an insured person says."""
    return {
        "sub": f"pairwise-{kvnr}",
        "acr": "gematik-ehealth-loa-high",
        "urn:telematik:display_name": name,
        "urn:telematik:claims:id": kvnr,
        "urn:telematik:claims:organization": IK,
        "urn:telematik:claims:profession": "1.2.276.0.76.4.49",
    } | changed


@dataclass
class Practice:
    telematik_id: str
    user_id: str
    key: ECKey


@dataclass
class Homeserver:
    folder: Path
    base: str
    directory: Directory
    provider: OpenIdProvider
    keys: dict[str, ECKey]
    server_name: str = SERVER_NAME
    process: SynapseProcess | None = field(default=None)
    calls_to: str = ""
    """Where clients' calls go if not to ``base``: a worker."""

    @property
    def url(self) -> str:
        return self.calls_to or self.base

    # -- witnesses ----------------------------------------------------------------------------------------------------

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        address = f"file:{self.folder}/homeserver.db?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=20)) as connection:
            return connection.execute(query, values).fetchall()

    def change_row(self, statement: str, *values: object) -> None:
        """Brings about what an interruption or the passing of time would leave."""
        with closing(sqlite3.connect(f"{self.folder}/homeserver.db", timeout=20)) as connection:
            connection.execute(statement, values)
            connection.commit()

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    # -- people ------------------------------------------------------------------------------------------------------

    async def sign_in(
        self,
        said: dict[str, Any],
        *,
        provider: str = "gesundheitsid",
        device_id: str | None = None,
        accepts_terms: bool = True,
    ) -> SignedIn:
        """Signs somebody in as a client does.

        Raises:
            SignInRefused: with the text of the page.
        """
        token = await self.login_token(said, provider=provider, accepts_terms=accepts_terms)
        body = {"type": "m.login.token", "token": token} | ({"device_id": device_id} if device_id else {})
        status, content = await self.call(None, "POST", "/login", body)
        assert status == 200, content
        return SignedIn(content["user_id"], content["access_token"], content["device_id"])

    async def login_token(
        self, said: dict[str, Any], *, provider: str = "gesundheitsid", accepts_terms: bool = True
    ) -> str:
        """What a client gets from a sign-in in the browser.

        Raises:
            SignInRefused: with the text of the page.
        """
        self.provider.claims = said
        browser = Browser(stops_at=_CALLBACK)
        start = f"{self.url}/_matrix/client/v3/login/sso/redirect/oidc-{provider}?redirectUrl={_CALLBACK}"
        address, page = await browser.open(start)
        if page.terms and accepts_terms:
            address, page = await browser.open(address, {"accepted_version": page.terms})
        if not address.startswith(_CALLBACK):
            raise SignInRefused(page.text)
        return parse_qs(urlsplit(address).query)["loginToken"][0]

    async def new_person(self, name: str = "Erika Muster") -> SignedIn:
        return await self.sign_in(claims(new_kvnr(), name))

    async def new_agent(self, username: str) -> SignedIn:
        return await self.sign_in(
            {"sub": username, "name": "Agentin Berg", "preferred_username": username}, provider="staff"
        )

    async def sign_in_with_key(
        self, user_id: str, client_id: str, key: ECKey, *, assertion: str | None = None, source: str | None = None
    ) -> tuple[int, Any]:
        audience = f"{self.base}/_matrix/client/v3/login"
        made = make_assertion(key, client_id=client_id, audience=audience, now=datetime.now(UTC))
        body = {
            "type": "de.hek.login.private_key_jwt",
            "identifier": {"type": "m.id.user", "user": user_id[1:].partition(":")[0]},
            "assertion": assertion or made,
        }
        return await self.call(None, "POST", "/login", body, source=source)

    async def own_account(self, user_id: str, client_id: str) -> SignedIn:
        status, content = await self.sign_in_with_key(user_id, client_id, self.keys[client_id])
        # Many tests sign the same few accounts in; the limit by account is the one that is shipped.
        while status == 429:
            await asyncio.sleep(content["retry_after_ms"] / 1000)
            status, content = await self.sign_in_with_key(user_id, client_id, self.keys[client_id])
        assert status == 200, content
        return SignedIn(user_id, content["access_token"], content["device_id"])

    async def new_practice(self, name: str, *, opts_in: bool = True) -> Practice:
        key, telematik_id = generate_private_key(), new_telematik_id()
        body = {"telematik_id": telematik_id, "display_name": name, "jwks": public_jwks(key), "active": True}
        status, content = await self.machine("directory", "practice:provision", "PUT", "/v1/practices", body)
        assert status == 200, content
        if opts_in:
            await self.opt_in(content["user_id"], name)
        return Practice(telematik_id, content["user_id"], key)

    async def opt_in(self, user_id: str, name: str | None) -> None:
        """A practice opts in (or out, with None); returns when the homeserver knows."""
        self.directory.set_reachable(user_id, name=name)
        query, wanted = "SELECT 1 FROM hek_reachable WHERE user_id = ?", name is not None
        await self.until(lambda: bool(self.rows(query, user_id)) is wanted)

    async def practice_device(self, practice: Practice) -> SignedIn:
        status, content = await self.sign_in_with_key(practice.user_id, practice.telematik_id, practice.key)
        assert status == 200, content
        return SignedIn(content["user_id"], content["access_token"], content["device_id"])

    @staticmethod
    async def until(holds: Callable[[], bool], within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, "it did not come about"
            await asyncio.sleep(0.05)

    @staticmethod
    async def until_async(holds: Callable[[], Awaitable[bool]], within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while not await holds():
            assert time.monotonic() < deadline, "it did not come about"
            await asyncio.sleep(0.05)

    # -- calls --------------------------------------------------------------------------------------------------------

    async def call(
        self, who: SignedIn | None, method: str, path: str, body: object | None = None, *, source: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Calls as somebody, or as a stranger never seen before; ``source`` says whose address it comes from."""
        headers = {"Authorization": f"Bearer {who.access_token}"} if who else {}
        address = f"{self.url}/_matrix/client/v3{path}"
        own = from_own_address(source or (who.user_id if who else secrets.token_hex(8)))
        async with (
            aiohttp.ClientSession(headers=headers, connector=own) as http,
            http.request(method, address, json=body) as answer,
        ):
            return answer.status, await answer.json(content_type=None)

    async def get_page(self, path: str) -> tuple[int, Page]:
        """What a browser that comes from nowhere is shown."""
        async with aiohttp.ClientSession() as http, http.get(self.url + path) as answer:
            return answer.status, Page(await answer.text())

    async def create_room(self, who: SignedIn, *invite: str, **more: Any) -> tuple[int, dict[str, Any]]:
        body = {"preset": "trusted_private_chat", "is_direct": True, "invite": list(invite), "initial_state": [MEGOLM]}
        return await self.call(who, "POST", "/createRoom", body | more)

    async def send(
        self, who: SignedIn, room_id: str, event_type: str = "m.room.encrypted", content: Any = None
    ) -> tuple[int, dict[str, Any]]:
        path = f"/rooms/{quote(room_id)}/send/{event_type}/{secrets.token_hex(8)}"
        return await self.call(who, "PUT", path, content or CIPHERTEXT)

    async def join(self, who: SignedIn, room_id: str) -> int:
        return (await self.call(who, "POST", f"/rooms/{quote(room_id)}/join", {}))[0]

    async def invite(self, who: SignedIn, room_id: str, user_id: str) -> tuple[int, dict[str, Any]]:
        return await self.call(who, "POST", f"/rooms/{quote(room_id)}/invite", {"user_id": user_id})

    async def state(self, who: SignedIn, room_id: str, event_type: str) -> dict[str, Any]:
        return (await self.call(who, "GET", f"/rooms/{quote(room_id)}/state/{event_type}"))[1]

    async def care_room(self) -> tuple[SignedIn, SignedIn, Practice, str]:
        """A person, a practice's device, the practice, and the chat that both joined."""
        person, practice = await self.new_person(), await self.new_practice("Praxis")
        device = await self.practice_device(practice)
        status, content = await self.create_room(person, practice.user_id)
        assert status == 200, content
        assert await self.join(device, content["room_id"]) == 200
        return person, device, practice, content["room_id"]

    async def machine(
        self,
        client_id: str,
        scope: str,
        method: str,
        path: str,
        body: object | None = None,
        query: dict[str, str | int] | None = None,
    ) -> tuple[int, Any]:
        client = ServiceClient(
            client_id=client_id,
            key=self.keys[client_id],
            base_url=self.url + PREFIX,
            token_endpoint=f"{self.base}{PREFIX}/oauth2/token",
        )
        async with client:
            return await client.answer(method, path, scope=scope, body=body, query=query)

    # -- the process -------------------------------------------------------------------------------------------------

    def settings_files(self) -> list[Path]:
        """What the process is started with, in this order."""
        return [self.folder / "homeserver.yaml"]

    def launch(self) -> None:
        """Starts it without waiting until it answers."""
        log = self.folder / "homeserver.log"
        self.process = start_synapse(HOMESERVER, self.settings_files(), folder=REPOSITORY, log=log)

    def start(self) -> None:
        self.launch()
        assert self.process is not None
        wait_until_it_answers(self.base, self.process, self.folder / "homeserver.log")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(60)


def wait_until_it_answers(url: str, process: SynapseProcess, log: Path) -> None:
    """Returns when a process of Synapse's answers at an address; fails with its last words if it ends before."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"{url}{PREFIX}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < deadline, f"{log.stem} did not start"
            time.sleep(0.1)


def _wait_for_own_accounts(homeserver: Homeserver, number: int) -> None:
    """Returns when what is made after the start is there, so that a test counts nothing but what it does itself."""
    deadline = time.monotonic() + 60
    while homeserver.rows("SELECT count(*) FROM hek_account WHERE state = 'live'")[0][0] < number:
        assert time.monotonic() < deadline, "its own accounts were not made"
        time.sleep(0.05)


def _write_yaml(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True))


def _secret(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def module_settings(folder: Path, base: str, directory_url: str, keys: dict[str, ECKey]) -> dict[str, Any]:
    """The operator's example with this test's values over it."""
    settings: dict[str, Any] = yaml.safe_load((REPOSITORY / "config/synapse_modules.yaml").read_text())
    for name, key in keys.items():
        write_private_key(key, folder / f"{name}.jwk")
        _secret(folder / f"{name}.jwks.json", json.dumps(public_jwks(key)))
    for client in settings["clients"]:
        client["jwks_file"] = str(folder / f"{client['client_id']}.jwks.json")
    return settings | {
        "public_url": base,
        "signing_key_file": str(folder / "homeserver-signing.jwk"),
        "kvnr_lookup_key_file": _secret(folder / "lookup.key", base64.b64encode(os.urandom(32))),
        "kvnr_encryption_key_file": _secret(folder / "encryption.key", os.urandom(32)),
        "search_timeout_ms": 5000,
        # What tests erase is seconds old.
        "erasure_minimum_age_years": None,
        "directory": settings["directory"]
        | {
            "url": directory_url,
            "key_file": str(folder / "homeserver.jwk"),
            "jwks_file": str(folder / "directory-signing.jwks.json"),
        },
    }


def _homeserver_settings(folder: Path, port: int, base: str, provider: OpenIdProvider) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((REPOSITORY / "config/synapse/homeserver.yaml").read_text())
    reference = {"file": str(folder / "synapse_modules.yaml")}
    with (folder / "signing.key").open("w") as file:
        write_signing_keys(file, [generate_signing_key("a_test")])
    for module in settings["modules"]:
        module["config"] = reference
    for one in settings["oidc_providers"]:
        one["issuer"] = provider.issuer(one["idp_id"])
        one["client_secret_path"] = _secret(folder / "client-secret", "secret")
        one["user_mapping_provider"]["config"] = reference
    listener = {"port": port, "bind_addresses": ["127.0.0.1"], "type": "http", "tls": False}
    return settings | {
        "server_name": SERVER_NAME,
        "public_baseurl": f"{base}/",
        "pid_file": str(folder / "homeserver.pid"),
        "log_config": str(REPOSITORY / "config/synapse/log.yaml"),
        "listeners": [listener | {"resources": [{"names": ["client", "openid", "consent"]}]}],
        "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
        "signing_key_path": str(folder / "signing.key"),
        "macaroon_secret_key_path": _secret(folder / "macaroon-secret", secrets.token_hex()),
        "form_secret_path": _secret(folder / "form-secret", secrets.token_hex()),
        "media_store_path": str(folder / "media"),
        "sso": {"client_whitelist": [_CALLBACK, f"{base}{OAUTH_CALLBACK_PATH}"]},
        "user_consent": settings["user_consent"] | {"template_dir": str(REPOSITORY / "synapse_modules/templates")},
        "templates": {"custom_template_directory": str(REPOSITORY / "synapse_modules/templates")},
    }


@contextmanager
def running_homeserver(
    folder: Path,
    *,
    server_name: str = SERVER_NAME,
    more_module: Mapping[str, object] | None = None,
    more_synapse: Mapping[str, object] | None = None,
    more_listeners: Sequence[Mapping[str, object]] = (),
    x_forwarded: bool = False,
    made: Callable[..., Homeserver] = Homeserver,
) -> Iterator[Homeserver]:
    """Synapse with the module, its OpenID provider and its directory, all on loopback.

    Args:
        folder: where everything of it lies.
        server_name: the part of its user ids after the colon.
        more_module: settings of the module, beside or instead of the operator's example.
        more_synapse: settings of Synapse, in the same way.
        more_listeners: listeners beside the one for clients.
        x_forwarded: whether a proxy stands before the one for clients.
        made: makes what runs it.
    """
    port, provider_port, directory_port = reserve_port(), reserve_port(), reserve_port()
    base = f"http://127.0.0.1:{port}"
    names = (*_CLIENTS, "homeserver", "homeserver-signing", "directory-signing")
    keys = {name: generate_private_key() for name in names}
    provider = OpenIdProvider(provider_port)
    directory = Directory(directory_port, KeySet([keys["homeserver"]]), keys["directory-signing"])
    of_module = module_settings(folder, base, directory.url, keys) | dict(more_module or {})
    of_synapse = _homeserver_settings(folder, port, base, provider) | {"server_name": server_name}
    of_synapse["listeners"][0]["x_forwarded"] = x_forwarded
    of_synapse["listeners"].extend(map(dict, more_listeners))
    _write_yaml(folder / "synapse_modules.yaml", of_module)
    _write_yaml(folder / "homeserver.yaml", of_synapse | dict(more_synapse or {}))
    homeserver = made(folder, base, directory, provider, keys, server_name)
    with serving(provider.app, provider_port), serving(directory.app, directory_port):
        homeserver.start()
        try:
            _wait_for_own_accounts(homeserver, len(of_module["accounts"]))
            yield homeserver
        finally:
            homeserver.stop()
