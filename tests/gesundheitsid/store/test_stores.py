"""What the stores keep, and for how long, on both databases; and that two processes share it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from gesundheitsid.app import open_application
from gesundheitsid.rules.provider import AuthorizationRequest
from gesundheitsid.store.grants import Grants, NoGrant
from gesundheitsid.store.sign_ins import NoSignIn, PushedRequest, SignIns
from gesundheitsid.store.tables import grant, metadata, session, sign_in
from messenger_core.database import open_database
from sandbox.ports import reserve_port
from tests.gesundheitsid.scene import HOST, opened

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASKED = AuthorizationRequest(
    "homeserver", "https://hs.example/callback", "state", None, "challenge", frozenset({"openid"})
)
PUSHED = PushedRequest("https://idp.example", "nonce", "verifier")


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A database at the newest revision."""
    opened_engine = await open_database(database_url, "gesundheitsid")
    yield opened_engine
    await opened_engine.dispose()


async def rows(engine: AsyncEngine, table: sa.Table) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one())


async def test_the_migrations_make_what_the_tables_say(engine: AsyncEngine) -> None:
    def columns(connection: sa.Connection) -> dict[str, set[str]]:
        found = sa.inspect(connection)
        return {name: {column["name"] for column in found.get_columns(name)} for name in found.get_table_names()}

    async with engine.connect() as connection:
        made = await connection.run_sync(columns)
    del made["alembic_version"]
    assert made == {table.name: set(table.columns.keys()) for table in metadata.sorted_tables}


async def test_a_sign_in_is_answered_once_in_its_own_browser(engine: AsyncEngine) -> None:
    sign_ins = SignIns(engine)
    await sign_ins.begin(ASKED, handle="h", browser="b", now=NOW)
    assert await sign_ins.take(handle="h", browser="b", now=NOW) is NoSignIn.UNKNOWN, "nobody was asked yet"
    assert not await sign_ins.push(PUSHED, handle="h", browser="other", now=NOW)
    assert await sign_ins.push(PUSHED, handle="h", browser="b", now=NOW)
    assert await sign_ins.take(handle="h", browser="other", now=NOW) is NoSignIn.OF_ANOTHER_BROWSER
    assert await sign_ins.take(handle="h", browser="b", now=NOW) == (ASKED, PUSHED)
    assert await sign_ins.take(handle="h", browser="b", now=NOW) is NoSignIn.UNKNOWN


async def test_what_has_expired_is_removed(engine: AsyncEngine) -> None:
    sign_ins, grants = SignIns(engine), Grants(engine, timedelta(days=1))
    await sign_ins.begin(ASKED, handle="h", browser="b", now=NOW)
    await grants.give(ASKED, {"sub": "s"}, code="unused", session_id="1", now=NOW)
    await grants.give(ASKED, {"sub": "s"}, code="used", session_id="2", now=NOW)
    await grants.redeem(
        "used", client_id="homeserver", redirect_uri=ASKED.redirect_uri, challenge="challenge", access="a", now=NOW
    )
    for after, left in (
        (timedelta(minutes=14), (1, 2, 1)),
        (timedelta(hours=2), (0, 0, 1)),
        (timedelta(days=2), (0, 0, 0)),
    ):
        await sign_ins.remove_expired(NOW + after)
        await grants.remove_expired(NOW + after)
        assert tuple([await rows(engine, table) for table in (sign_in, grant, session)]) == left
        async with engine.connect() as connection:
            sealed = sa.select(grant.c.code).where(grant.c.sealed.is_not(None))
            assert (await connection.execute(sealed)).all() == []


async def test_a_client_that_is_away_is_told_later(engine: AsyncEngine) -> None:
    grants = Grants(engine, timedelta(days=1))
    await grants.give(ASKED, {"sub": "s"}, code="c", session_id="1", now=NOW)
    redeemed = await grants.redeem(
        "c", client_id="homeserver", redirect_uri=ASKED.redirect_uri, challenge="challenge", access="a", now=NOW
    )
    assert not isinstance(redeemed, NoGrant)
    assert await grants.end_sessions(["s"], NOW) == 1
    assert await grants.end_sessions(["s"], NOW) == 0, "it has ended already"
    assert [ended.session for ended in await grants.due_logouts(NOW)] == ["1"]
    await grants.postpone_logout("1", NOW)
    assert await grants.due_logouts(NOW) == []
    assert [ended.session for ended in await grants.due_logouts(NOW + timedelta(minutes=2))] == ["1"]
    await grants.forget_session("1")
    assert await grants.counts() == {"sessions": 0, "untold": 0}


async def test_a_sign_in_ends_at_another_process_than_it_began(tmp_path: Path, database_url: str) -> None:
    """Two brokers over one database; a restart between two requests is the same."""
    async with opened(tmp_path, database_url) as scene, open_application(scene.settings) as second:
        runner, port = web.AppRunner(second, shutdown_timeout=1.0), reserve_port()
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        address = scene.identify(await scene.ask())
        page = await scene.open(address.replace(scene.base, f"http://{HOST}:{port}"))
        assert page.status == 303
        status, _ = await scene.token(page.query["code"])
        assert status == 200
        await runner.cleanup()
