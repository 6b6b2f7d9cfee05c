"""The audit log in the database: it verifies as written, and not after anybody touched it."""

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.audit_chain import START, AuditHead, ChainBroken
from directory_service.store.audit_log import AuditLog, HeadMissing
from directory_service.store.practices import PracticeStore
from directory_service.store.tables import audit, directory_version
from tests.directory_service.store.made_up import NOW, opted_in


async def test_an_empty_log_holds(engine: AsyncEngine) -> None:
    assert await AuditLog(engine).verify() == AuditHead(0, START)


async def test_every_change_is_an_entry_and_heads_noted_on_the_way_stay_in_the_log(engine: AsyncEngine) -> None:
    store, log = PracticeStore(engine), AuditLog(engine)
    await opted_in(store, "1-2001")
    noted = await log.verify()
    assert noted.entries == 3
    await store.withdraw("1-2001", NOW)
    assert (await log.verify(noted.head)).entries == 4
    with pytest.raises(HeadMissing):
        await log.verify("0" * 63 + "1")


TAMPERING: list[tuple[sa.Executable, int]] = [
    (audit.update().where(audit.c.id == 2).values(what="paused"), 2),
    (audit.update().where(audit.c.id == 3).values(consent_text=None), 3),
    (audit.update().where(audit.c.id == 1).values(hash="f" * 64), 1),
    (audit.delete().where(audit.c.id == 2), 2),
    (audit.delete().where(audit.c.id == 3), 3),
    (audit.delete(), 1),
    (audit.insert().values(id=4, telematik_id="1-2001", at=1, what="paused", by="1-2001", hash="f" * 64), 4),
    (directory_version.update().values(audit_entries=2), 3),
    (directory_version.update().values(audit_head=START), 4),
]


async def test_whatever_is_done_to_the_log_shows_at_its_entry(engine: AsyncEngine) -> None:
    await opted_in(PracticeStore(engine), "1-2001")
    for tampering, number in TAMPERING:
        async with engine.connect() as connection:
            kept = (await connection.execute(sa.select(audit))).mappings().all()
            held = (await connection.execute(sa.select(directory_version))).mappings().one()
        async with engine.begin() as connection:
            await connection.execute(tampering)
        with pytest.raises(ChainBroken) as broken:
            await AuditLog(engine).verify()
        assert broken.value.number == number
        async with engine.begin() as connection:
            await connection.execute(audit.delete())
            await connection.execute(audit.insert(), [dict(row) for row in kept])
            await connection.execute(directory_version.update().values(dict(held)))
    assert (await AuditLog(engine).verify()).entries == 3
