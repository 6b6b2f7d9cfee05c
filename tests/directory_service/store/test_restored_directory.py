"""Hiding after a restore is one transaction, and nothing that others wrote meanwhile is overlooked."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.audit_chain import AuditEntry
from directory_service.store.audit_log import AuditLog
from directory_service.store.practices import PracticeStore
from directory_service.store.reachable_set import ReachableSet
from directory_service.store.restored_directory import Hidden, WrittenMeanwhile, hide_lost
from tests.directory_service.store.made_up import NOW, account, opted_in

LOST = [AuditEntry(99, "1-1", 0, "paused", "1-1", "1")]


async def test_what_was_written_after_the_head_was_read_stops_it(engine: AsyncEngine) -> None:
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    practice = await opted_in(store, "1-1")
    head = await AuditLog(engine).head()
    other = await opted_in(store, "1-2")
    with pytest.raises(WrittenMeanwhile):
        await hide_lost(engine, head, {"1-1": LOST}, NOW)
    assert set((await reachable.since(None)).add) == {account(practice), account(other)}
    head = await AuditLog(engine).head()
    assert await hide_lost(engine, head, {"1-1": LOST, "1-9": LOST}, NOW) == Hidden(changed=1, unknown=1)
    assert (await reachable.since(None)).add == (account(other),)
    assert (await AuditLog(engine).verify(head.head)).entries == head.entries + 1
