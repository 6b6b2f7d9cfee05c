"""Accounts at the bare homeserver, for the tests of identity and keys: raw calls, no session around them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import canonicaljson
import sqlalchemy as sa
import vodozemac
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import make_engine
from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.own_device import OwnDevice, open_own_device
from messenger_core.matrix.encryption.retirement import own_device_id
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.settings import SessionSettings
from messenger_core.matrix.sign_in import key_proof, sign_in
from messenger_core.matrix.store.tables import session_tables
from tests.bare_homeserver import CLIENT_ID, SERVER_NAME, Homeserver

STORE_KEY = "a store key of the tests"


@dataclass
class Account:
    """One service's account: what of it outlives a process."""

    homeserver: Homeserver
    folder: Path
    name: str = field(default_factory=lambda: f"bot-{secrets.token_hex(4)}")

    @property
    def user_id(self) -> str:
        return f"@{self.name}:{SERVER_NAME}"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def database(self) -> Path:
        return self.folder / "service.db"

    @property
    def settings(self) -> SessionSettings:
        store_key = self.folder / "store.key"
        store_key.write_text(STORE_KEY)
        store_key.chmod(0o600)
        return SessionSettings(
            homeserver=self.homeserver.url,
            user_id=self.user_id,
            client_id=CLIENT_ID,
            key_file=self.homeserver.key_file,
            store_directory=self.store,
            store_key_file=store_key,
        )

    @asynccontextmanager
    async def calls(self, device_id: str | None = None) -> AsyncIterator[HomeserverCalls]:
        """Signed in; with the device of the store unless another one is named."""
        self.store.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = self.settings
        calls = HomeserverCalls(
            self.homeserver.url,
            self.user_id,
            device_id or own_device_id(self.store),
            partial(sign_in, settings),
            partial(key_proof, settings),
        )
        try:
            await calls.connect()
            yield calls
        finally:
            await calls.close()

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[AsyncEngine]:
        engine = make_engine(f"sqlite:///{self.database}")
        metadata = sa.MetaData()
        session_tables(metadata)
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        try:
            yield engine
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def device(self) -> AsyncIterator[tuple[OwnDevice, HomeserverCalls]]:
        """The account's device as a session opens it; left as a stop of the process leaves it."""
        async with self.calls() as calls, self.engine() as engine:
            own = await open_own_device(calls, engine, self.store, STORE_KEY)
            try:
                yield own, calls
            finally:
                own.machine.close()

    async def start_and_stop(self) -> None:
        """What a session does with the device when it opens, and no more."""
        async with self.device():
            pass


async def ask_for_keys(calls: HomeserverCalls, *owners: str) -> dict[str, Any]:
    """What the homeserver tells of some people's keys."""
    return await calls.post("/_matrix/client/v3/keys/query", {"device_keys": {owner: [] for owner in owners}})


async def claim(calls: HomeserverCalls, owner: str, device_id: str) -> tuple[str, dict[str, Any]]:
    """Takes a key to open a channel with, as a stranger does before the first message to a device."""
    wish = {"one_time_keys": {owner: {device_id: "signed_curve25519"}}}
    answer = await calls.post("/_matrix/client/v3/keys/claim", wish)
    keys: dict[str, Any] = answer["one_time_keys"].get(owner, {}).get(device_id, {})
    assert len(keys) == 1, "there is no key left"
    return next(iter(keys.items()))


async def key_count(calls: HomeserverCalls) -> int:
    """How many one-time keys the homeserver has, as a sync would say."""
    answer = await calls.post("/_matrix/client/v3/keys/upload", {})
    return int(answer["one_time_key_counts"].get("signed_curve25519", 0))


async def unused_fallback(calls: HomeserverCalls) -> bool:
    """What a sync says of the fallback key."""
    # Synapse answers the very same first sync from a cache; a first one never waits, whatever the timeout.
    timeout = str(secrets.randbelow(10**9))
    answer = await calls.get("/_matrix/client/v3/sync", params={"timeout": timeout})
    return "signed_curve25519" in answer["device_unused_fallback_key_types"]


def verified_master(answer: dict[str, Any], owner: str, device_id: str) -> str:
    """Follows the signatures from master key to device as a client in cross-signed-only mode does."""
    master, signing = only_key(answer["master_keys"][owner]), only_key(answer["self_signing_keys"][owner])
    verify(answer["self_signing_keys"][owner], owner, master)
    verify(answer["device_keys"][owner][device_id], owner, signing)
    return master


MOST = 50


async def drain(calls: HomeserverCalls, account: Account, device_id: str) -> set[str]:
    """Takes all one-time keys of a device, and the fallback key once."""
    taken: set[str] = set()
    while True:
        name, key = await claim(calls, account.user_id, device_id)
        if key.get("fallback"):
            return taken
        assert name not in taken
        taken.add(name)


def first_message(own: OwnDevice, key: dict[str, Any]) -> tuple[str, vodozemac.PreKeyMessage]:
    """What a stranger's device sends with a key that it claimed."""
    sender = vodozemac.Account()
    session = sender.create_outbound_session(
        vodozemac.Curve25519PublicKey.from_base64(own.machine.curve25519),
        vodozemac.Curve25519PublicKey.from_base64(key["key"]),
    )
    message = session.encrypt(b"first words").to_pre_key()
    assert message is not None
    return sender.curve25519_key.to_base64(), message


def opens(machine: OlmMachine, sender_key: str, message: vodozemac.PreKeyMessage) -> bool:
    _, plaintext = machine.account.create_inbound_session(sender_key, message)
    return bool(plaintext == b"first words")


async def sync(own: OwnDevice, calls: HomeserverCalls) -> None:
    """What a session does after each answer, with what the homeserver says."""
    await own.keys.maintain(one_time_keys=await key_count(calls), fallback_unused=await unused_fallback(calls))


def verify(value: dict[str, Any], owner: str, public: str) -> None:
    signature = vodozemac.Ed25519Signature.from_base64(value["signatures"][owner][f"ed25519:{public}"])
    vodozemac.Ed25519PublicKey.from_base64(public).verify_signature(canonical(value), signature)


def only_key(described: dict[str, Any]) -> str:
    (key,) = described["keys"].values()
    return str(key)


def canonical(value: dict[str, Any]) -> bytes:
    """As a client of its own would write it down."""
    return canonicaljson.encode_canonical_json({k: v for k, v in value.items() if k not in {"signatures", "unsigned"}})
