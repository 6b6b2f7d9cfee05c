"""What the tests of the Matrix session share: an account, its database, and a person with an encrypted client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import make_engine
from messenger_core.matrix import SessionSettings
from messenger_core.matrix.store.tables import session_tables
from sandbox.encrypted_client import EncryptedClient, run_client
from sandbox.key_sign_in import sign_in_with_key
from tests.bare_homeserver import SERVER_NAME, Homeserver
from tests.messenger_core.matrix.encryption_scene import Bot, open_bot
from tests.messenger_core.matrix.identity_scene import Account


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """The service's own database with the session's tables."""
    engine = make_engine(f"sqlite:///{tmp_path}/service.db")
    await make_session_tables(engine)
    yield engine
    await engine.dispose()


async def make_session_tables(engine: AsyncEngine) -> None:
    """Makes the session's tables where no service brings them."""
    metadata = sa.MetaData()
    session_tables(metadata)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)


@pytest.fixture
def settings(homeserver: Homeserver, tmp_path: Path) -> SessionSettings:
    """A service's account, another one for each test."""
    secret = tmp_path / "store-key"
    secret.write_text("a secret for this test alone")
    return SessionSettings(
        homeserver=homeserver.url,
        user_id=f"@service-{_own_name(tmp_path)}:{SERVER_NAME}",
        client_id="tester",
        key_file=homeserver.key_file,
        store_directory=tmp_path / "store",
        store_key_file=secret,
    )


@pytest.fixture
async def person(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[EncryptedClient]:
    """A person with an encrypted client."""
    signed_in = await sign_in_with_key(
        homeserver.url, user_id=f"@person-{_own_name(tmp_path)}:{SERVER_NAME}", client_id="tester", key=homeserver.key
    )
    async with run_client(homeserver.url, signed_in, tmp_path / "person") as client:
        yield client


@pytest.fixture
def account(homeserver: Homeserver, tmp_path: Path) -> Account:
    """A service's account without a session, another one for each test."""
    return Account(homeserver, tmp_path)


@pytest.fixture
async def bot(account: Account) -> AsyncIterator[Bot]:
    """The account's device, which has synced once."""
    async with open_bot(account) as bot:
        await bot.sync()
        yield bot


def _own_name(folder: Path) -> str:
    return folder.name.replace("_", "-").lower()
