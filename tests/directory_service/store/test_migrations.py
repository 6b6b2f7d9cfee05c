"""The migrations make exactly the tables that the code describes."""

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection

from directory_service.rules.audit_chain import START, AuditHead
from directory_service.rules.practice import Consent, PracticeState
from directory_service.rules.profile import Address, Messenger, Profile
from directory_service.store.audit_log import AuditLog
from directory_service.store.changes import ChangeFeed
from directory_service.store.history import Position
from directory_service.store.practices import PracticeStore
from directory_service.store.reachable_set import ReachableSet
from directory_service.store.tables import directory_version, metadata
from messenger_core.calendar_periods import from_milliseconds
from messenger_core.database import make_engine, open_database

FIRST_RELEASE = """
INSERT INTO practice VALUES ('1-1', 'r1', '@p1:a.example', 'Müller', '{"keys": []}', 'opted-in', '2026-11',
    'Weg 1', '20099', 'Hamburg', ' muller hamburg 20099', 'muller', 'hamburg', 3);
INSERT INTO practice VALUES ('1-2', 'r2', '@p2:a.example', 'Winter', '{"keys": []}', 'withdrawn', NULL,
    NULL, NULL, NULL, ' winter', 'winter', '', 4);
INSERT INTO practice VALUES ('1-3', 'r3', '@p3:a.example', 'Herbst', '{"keys": []}', 'verified', NULL,
    NULL, NULL, NULL, ' herbst', 'herbst', '', NULL);
INSERT INTO practice_specialty VALUES ('1-1', 0, 'KARD');
INSERT INTO practice_specialty VALUES ('1-1', 1, 'ALLG');
UPDATE reachability SET version = 4;
INSERT INTO audit VALUES (1, '1-1', 1000, 'joined', 'https://nachweis.example', NULL);
INSERT INTO audit VALUES (2, '1-1', 2000, 'opted-in', '1-1', '2026-11');
INSERT INTO audit VALUES (5, '1-2', 3000, 'withdrawn', '1-2', NULL);
"""


async def test_migrations_and_tables_agree(database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    for _ in range(2):
        engine = await open_database(database_url, "directory_service")
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
            assert (await connection.execute(sa.select(directory_version.c.reachable))).scalars().all() == [1]
        await engine.dispose()


async def test_what_the_first_release_stored_is_kept(database_url: str) -> None:
    def first_release(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", "directory_service:store/migrations")
        config.set_main_option("version_path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in filter(str.strip, FIRST_RELEASE.split(";")):
            connection.execute(sa.text(statement.replace(":a.example", r"\:a.example").replace("https:", r"https\:")))

    old = make_engine(database_url)
    async with old.begin() as connection:
        await connection.run_sync(first_release)
    await old.dispose()

    engine = await open_database(database_url, "directory_service")
    practices = PracticeStore(engine)
    muller = await practices.find("1-1")
    assert muller is not None
    own = Messenger("@p1:a.example")
    assert muller.profile == Profile(
        "Müller", ("KARD", "ALLG"), Address("Weg 1", "20099", "Hamburg"), messengers=(own,)
    )
    assert (muller.resource_id, muller.state) == ("r1", PracticeState.OPTED_IN)
    assert muller.consent == Consent("2026-11", "1-1", from_milliseconds(2000))
    assert await practices.keys("1-1") == {"keys": []}
    left = [await practices.find(telematik_id) for telematik_id in ("1-2", "1-3")]
    assert [found.state.value for found in left if found] == ["withdrawn", "verified"]
    reachable, feed = ReachableSet(engine), ChangeFeed(engine)
    told = await reachable.since(Position(2, AuditHead(0, START)))
    assert (told.since, told.position.version, told.add, told.remove) == (2, 4, ("@p1:a.example",), ("@p2:a.example",))
    assert [[found.telematik_id for found in batch] async for batch in feed.listed()] == [["1-1"]]
    assert await feed.version() == max(found.version for found in (muller, *left) if found)
    assert (await AuditLog(engine).verify()).entries == 3
    await engine.dispose()
