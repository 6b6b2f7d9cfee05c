"""Which devices their owners vouch for: every signature is checked, and a changed identity is noticed."""

from __future__ import annotations

import copy
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import vodozemac
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import make_engine
from messenger_core.matrix.encryption.own_identity import OwnIdentity, SigningKey
from messenger_core.matrix.signatures.sender_trust import DeviceTrust, vouched_devices
from messenger_core.matrix.signatures.signed_json import canonical_json
from messenger_core.matrix.store.identities import Identities
from tests.bare_homeserver import Homeserver
from tests.messenger_core.matrix.conftest import make_session_tables
from tests.messenger_core.matrix.identity_scene import Account, ask_for_keys

BERG, US = "@berg:here", "@hek:here"


class Agent:
    """An agent's account as the homeserver lists it: an identity and devices."""

    def __init__(self, owner: str = BERG) -> None:
        self.owner = owner
        self.devices: dict[str, dict[str, Any]] = {}
        self.new_identity()

    def new_identity(self) -> None:
        self.identity = OwnIdentity(self.owner, *(SigningKey(secrets.token_bytes(32)) for _ in range(3)))

    def sign_in(self, device_id: str, *, signed: bool = True) -> str:
        """A new device; the result is its signing key."""
        device = vodozemac.Account()
        key = device.ed25519_key.to_base64()
        described: dict[str, Any] = {
            "user_id": self.owner,
            "device_id": device_id,
            "algorithms": [],
            "keys": {f"ed25519:{device_id}": key},
        }
        own = device.sign(canonical_json(described)).to_base64()
        signatures = {f"ed25519:{device_id}": own}
        if signed:
            signatures |= self.identity.self_signing.signed(self.owner, described)["signatures"][self.owner]
        self.devices[device_id] = described | {"signatures": {self.owner: signatures}}
        return key

    def answer(self) -> dict[str, Any]:
        uploaded = self.identity.upload()
        return copy.deepcopy(
            {
                "device_keys": {self.owner: self.devices},
                "master_keys": {self.owner: uploaded["master_key"]},
                "self_signing_keys": {self.owner: uploaded["self_signing_key"]},
                "failures": {},
            }
        )


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    """On SQLite and on PostgreSQL."""
    engine = make_engine(database_url)
    await make_session_tables(engine)
    yield engine
    await engine.dispose()


async def test_row_09_only_a_device_that_its_owner_signed_is_cross_signed(database: AsyncEngine) -> None:
    agent, identities = Agent(), Identities(database, US)
    signed, unsigned = agent.sign_in("PHONE"), agent.sign_in("LAPTOP", signed=False)
    assert await identities.take(agent.answer()) == frozenset()
    assert await identities.trust_of(BERG, "PHONE", signed) is DeviceTrust.CROSS_SIGNED
    assert await identities.trust_of(BERG, "LAPTOP", unsigned) is DeviceTrust.KNOWN
    # The same name with another key is another device.
    assert await identities.trust_of(BERG, "PHONE", unsigned) is DeviceTrust.KNOWN
    assert await identities.trust_of(BERG, None, None) is DeviceTrust.UNKNOWN
    # Each account has its own view.
    assert await Identities(database, "@other:here").trust_of(BERG, "PHONE", signed) is DeviceTrust.KNOWN


async def test_row_09_a_device_that_is_no_longer_signed_or_listed_loses_its_trust(database: AsyncEngine) -> None:
    agent, identities = Agent(), Identities(database, US)
    key = agent.sign_in("PHONE")
    await identities.take(agent.answer())
    del agent.devices["PHONE"]
    await identities.take(agent.answer())
    assert await identities.trust_of(BERG, "PHONE", key) is DeviceTrust.KNOWN
    key = agent.sign_in("PHONE")
    await identities.take(agent.answer())
    assert await identities.trust_of(BERG, "PHONE", key) is DeviceTrust.CROSS_SIGNED
    # A person who is not in an answer (her homeserver was away) keeps what is known.
    await identities.take({"device_keys": {}, "failures": {"here": {}}})
    assert await identities.trust_of(BERG, "PHONE", key) is DeviceTrust.CROSS_SIGNED


async def test_row_09_a_changed_identity_is_noticed_once_and_stays_until_somebody_accepts_it(
    database: AsyncEngine,
) -> None:
    agent, identities = Agent(), Identities(database, US)
    agent.sign_in("PHONE")
    await identities.take(agent.answer())
    agent.new_identity()
    key = agent.sign_in("PHONE")
    assert await identities.take(agent.answer()) == {BERG}
    assert await identities.take(agent.answer()) == frozenset()
    again = Identities(database, US)
    assert await again.trust_of(BERG, "PHONE", key) is DeviceTrust.IDENTITY_CHANGED
    await again.accept(BERG)
    assert await again.trust_of(BERG, "PHONE", key) is DeviceTrust.CROSS_SIGNED
    agent.new_identity()
    assert await again.take(agent.answer()) == {BERG}


async def test_row_09_an_identity_that_goes_away_and_comes_back_changed_is_noticed(database: AsyncEngine) -> None:
    agent, identities = Agent(), Identities(database, US)
    key = agent.sign_in("PHONE")
    await identities.take(agent.answer())
    await identities.take(agent.answer() | {"master_keys": {}, "self_signing_keys": {}})
    assert await identities.trust_of(BERG, "PHONE", key) is DeviceTrust.KNOWN
    agent.new_identity()
    key = agent.sign_in("PHONE")
    assert await identities.take(agent.answer()) == {BERG}
    assert await identities.trust_of(BERG, "PHONE", key) is DeviceTrust.IDENTITY_CHANGED


def _with_key_of(stranger: Agent) -> Callable[[dict[str, Any]], None]:
    def change(answer: dict[str, Any]) -> None:
        answer["self_signing_keys"][BERG] = stranger.answer()["self_signing_keys"][stranger.owner]

    return change


def _at(*place: str, to: object) -> Callable[[dict[str, Any]], None]:
    def change(answer: dict[str, Any]) -> None:
        found = answer
        for name in place[:-1]:
            found = found[name]
        found[place[-1]] = to

    return change


DEEP: Any = []
for _ in range(5000):
    DEEP = [DEEP]

FORGERIES = {
    "self-signing key of somebody else": _with_key_of(Agent()),
    "self-signing key for somebody else": _at("self_signing_keys", BERG, "user_id", to="@max:here"),
    "self-signing key for another use": _at("self_signing_keys", BERG, "usage", to=["master"]),
    "self-signing key unsigned": _at("self_signing_keys", BERG, "signatures", to={}),
    "self-signing key away": _at("self_signing_keys", to=None),
    "master key for somebody else": _at("master_keys", BERG, "user_id", to="@max:here"),
    "master key away": _at("master_keys", to={}),
    "master key under another name": _at("master_keys", BERG, "keys", to={"ed25519:A": "B"}),
    "two master keys": _at("master_keys", BERG, "keys", to={"ed25519:A": "A", "ed25519:B": "B"}),
    "master key that is none": _at("master_keys", BERG, "keys", to={"ed25519:\ud800\x00": "\ud800\x00"}),
    "usage of the wrong type": _at("master_keys", BERG, "usage", to={"master": 1}),
    "device of somebody else": _at("device_keys", BERG, "PHONE", "user_id", to="@max:here"),
    "device under another name": _at("device_keys", BERG, "PHONE", "device_id", to="LAPTOP"),
    "device key changed": _at("device_keys", BERG, "PHONE", "keys", "ed25519:PHONE", to="A" * 43),
    "device changed after signing": _at("device_keys", BERG, "PHONE", "algorithms", to=["m.olm"]),
    "device with a lone surrogate": _at("device_keys", BERG, "PHONE", "algorithms", to=["\ud800"]),
    "device nested deeply": _at("device_keys", BERG, "PHONE", "algorithms", to=DEEP),
    "device of the wrong type": _at("device_keys", BERG, "PHONE", to=[1]),
    "signature of the wrong type": _at("device_keys", BERG, "PHONE", "signatures", BERG, to=["x"]),
    "devices of the wrong type": _at("device_keys", BERG, to="none"),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_row_09_what_is_not_signed_all_the_way_is_not_vouched_for(
    engine: AsyncEngine, forge: Callable[[dict[str, Any]], None]
) -> None:
    agent = Agent()
    key = agent.sign_in("PHONE")
    good, forged = agent.answer(), agent.answer()
    assert vouched_devices(good, BERG).devices == {"PHONE": key}
    forge(forged)
    assert vouched_devices(forged, BERG).devices == {}
    identities = Identities(engine, US)
    await identities.take(forged)
    assert await identities.trust_of(BERG, "PHONE", key) is DeviceTrust.KNOWN


async def test_a_device_name_that_no_database_takes_spoils_nothing(database: AsyncEngine) -> None:
    agent, identities = Agent(), Identities(database, US)
    agent.sign_in("PH\x00NE")
    key = agent.sign_in("PHONE")
    await identities.take(agent.answer())
    assert await identities.trust_of(BERG, "PHONE", key) is DeviceTrust.CROSS_SIGNED


async def test_row_09_what_a_real_homeserver_gives_out_is_followed(homeserver: Homeserver, tmp_path: Path) -> None:
    account, us = Account(homeserver, tmp_path / "agent"), Account(homeserver, tmp_path)
    account.folder.mkdir()
    async with account.device() as (own, calls):
        device_id, key = calls.device_id, own.machine.ed25519
    async with us.calls("US") as calls, us.engine() as engine:
        identities = Identities(engine, us.user_id)
        await identities.take(await ask_for_keys(calls, account.user_id))
        assert await identities.trust_of(account.user_id, device_id, key) is DeviceTrust.CROSS_SIGNED
        (account.store / "identity").unlink()
        await account.start_and_stop()
        assert await identities.take(await ask_for_keys(calls, account.user_id)) == {account.user_id}
        assert await identities.trust_of(account.user_id, device_id, key) is DeviceTrust.IDENTITY_CHANGED
