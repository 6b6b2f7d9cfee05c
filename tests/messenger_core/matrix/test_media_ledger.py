"""The media ledger on both databases: what is due when, and which addresses still wait for their file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from messenger_core.database import make_engine
from messenger_core.matrix.store.media_ledger import MediaLedger
from tests.messenger_core.matrix.conftest import make_session_tables

BOT, OTHER_BOT = "@bot:x", "@other:x"
ROOM, OTHER_ROOM = "!room:x", "!other:x"
START = datetime(2026, 11, 24, 9, tzinfo=UTC)
LATER = START + timedelta(days=1)
END = START + timedelta(days=9)


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[MediaLedger]:
    engine = make_engine(database_url)
    await make_session_tables(engine)
    yield MediaLedger(engine)
    await engine.dispose()


async def test_a_file_belongs_to_the_room_that_used_it_last(ledger: MediaLedger) -> None:
    await ledger.record("mxc://x/file", ROOM, LATER)
    await ledger.record("mxc://x/file", OTHER_ROOM, START)
    assert await ledger.used_before(END) == {ROOM: ["mxc://x/file"]}
    assert await ledger.used_before(LATER) == {}
    await ledger.record("mxc://x/file", OTHER_ROOM, LATER + timedelta(hours=1))
    assert await ledger.used_before(END) == {OTHER_ROOM: ["mxc://x/file"]}


async def test_an_address_is_reserved_for_its_account_until_it_is_filled(ledger: MediaLedger) -> None:
    await ledger.reserve("mxc://x/second", ROOM, LATER, user_id=BOT)
    await ledger.reserve("mxc://x/first", ROOM, START, user_id=BOT)
    await ledger.reserve("mxc://x/theirs", ROOM, START, user_id=OTHER_BOT)
    await ledger.record("mxc://x/received", ROOM, START)
    assert await ledger.reserved(BOT) == ["mxc://x/first", "mxc://x/second"]
    await ledger.reservation_ended("mxc://x/first")
    assert await ledger.reserved(BOT) == ["mxc://x/second"]
    assert await ledger.reserved(OTHER_BOT) == ["mxc://x/theirs"]
    assert sorted((await ledger.used_before(END))[ROOM]) == [
        "mxc://x/first",
        "mxc://x/received",
        "mxc://x/second",
        "mxc://x/theirs",
    ]


async def test_an_address_that_is_used_again_belongs_to_its_new_room(ledger: MediaLedger) -> None:
    await ledger.reserve("mxc://x/left", ROOM, LATER, user_id=BOT)
    await ledger.reserve("mxc://x/left", OTHER_ROOM, START, user_id=BOT)
    assert await ledger.used_before(LATER) == {OTHER_ROOM: ["mxc://x/left"]}


async def test_a_message_that_names_a_reserved_address_does_not_end_the_reservation(ledger: MediaLedger) -> None:
    await ledger.reserve("mxc://x/left", ROOM, START, user_id=BOT)
    await ledger.record("mxc://x/left", OTHER_ROOM, LATER)
    assert await ledger.reserved(BOT) == ["mxc://x/left"]


async def test_what_is_due_is_forgotten(ledger: MediaLedger) -> None:
    await ledger.record("mxc://x/old", ROOM, START)
    await ledger.record("mxc://x/young", ROOM, LATER)
    assert await ledger.forget_before(LATER) == 1
    assert await ledger.used_before(END) == {ROOM: ["mxc://x/young"]}
