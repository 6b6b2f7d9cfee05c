"""Practices in the database: joining, profile, states, each whole or not at all."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.practice import ChangeRefused, PracticeState
from directory_service.rules.profile import Address, Profile
from directory_service.store.practices import AccountDiffers, PracticeStore, StatementUsed, UnknownPractice
from directory_service.store.reachable_set import ReachableSet
from directory_service.store.tables import audit
from tests.directory_service.store.made_up import NOW, VERIFIER, account, joining, opted_in


@pytest.fixture
def store(engine: AsyncEngine) -> PracticeStore:
    return PracticeStore(engine)


async def history(engine: AsyncEngine) -> list[tuple[str, str, str | None]]:
    query = sa.select(audit.c.what, audit.c.by, audit.c.consent_text).order_by(audit.c.id)
    async with engine.connect() as connection:
        return [(what, by, text) for what, by, text in await connection.execute(query)]


async def test_a_practice_that_joined_is_verified_and_hidden(store: PracticeStore) -> None:
    asked = joining()
    practice = await store.join(asked, NOW)
    assert (practice.state, practice.profile.name, practice.profile.address) == (
        PracticeState.VERIFIED,
        "Praxis Sommer",
        None,
    )
    assert await store.find("1-2001") == practice
    assert await store.keys("1-2001") == asked.jwks
    assert await store.is_practice(account(practice))
    assert not await store.is_practice("@erika:messenger.example")


async def test_joining_again_replaces_name_and_keys_and_keeps_the_rest(store: PracticeStore) -> None:
    before = await opted_in(store, "1-2001")
    again = joining("1-2001", name="Praxis Neu")
    after = await store.join(again, NOW)
    assert after == replace(
        before, profile=replace(before.profile, name="Praxis Neu"), version=before.version + 1, epoch=1
    )
    assert await store.keys("1-2001") == again.jwks


async def test_a_statement_is_used_once_and_a_second_use_changes_nothing(store: PracticeStore) -> None:
    asked = joining()
    await store.join(asked, NOW)
    assert await store.statement_is_used(VERIFIER, asked.statement_id)
    with pytest.raises(StatementUsed):
        await store.join(replace(asked, name="Anders", jwks={"keys": []}), NOW)
    found = await store.find("1-2001")
    assert found is not None
    assert found.profile.name == "Praxis Sommer"


async def test_of_two_uses_at_the_same_time_one_wins(store: PracticeStore) -> None:
    asked = joining()
    results = await asyncio.gather(*(store.join(asked, NOW) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(result, StatementUsed) for result in results) == 3


async def test_an_account_never_changes_hands_and_the_statement_stays_usable(store: PracticeStore) -> None:
    await store.join(joining("1-2001"), NOW)
    moved = joining("1-2001", user_id="@other:messenger.example")
    taken = joining("1-2002", user_id="@practice-1-2001:messenger.example")
    for asked in (moved, taken):
        with pytest.raises(AccountDiffers):
            await store.join(asked, NOW)
        assert not await store.statement_is_used(VERIFIER, asked.statement_id)
    assert await store.find("1-2002") is None


async def test_a_profile_is_replaced_as_a_whole(store: PracticeStore) -> None:
    await store.join(joining(), NOW)
    for specialties in (("KARD", "ALLG", "INNE"), ("AUGE",)):
        profile = Profile("Praxis am Markt", specialties, Address("Markt 1", "10115", "Berlin"), languages=("de",))
        written = await store.write_profile("1-2001", profile, NOW)
        assert written.profile == profile
        assert await store.find("1-2001") == written


async def test_states_and_the_text_agreed_to_are_noted_with_their_time(
    store: PracticeStore, engine: AsyncEngine
) -> None:
    await opted_in(store, "1-2001")
    await store.choose_visibility("1-2001", visible=False, consent_text="1", now=NOW)
    await store.withdraw("1-2001", NOW + timedelta(days=1))
    assert await history(engine) == [
        ("joined", VERIFIER, None),
        ("profile-written", "1-2001", None),
        ("opted-in", "1-2001", "1"),
        ("paused", "1-2001", "1"),
        ("withdrawn", "1-2001", None),
    ]
    async with engine.connect() as connection:
        last = (await connection.execute(sa.select(sa.func.max(audit.c.at)))).scalar_one()
    assert datetime.fromtimestamp(last / 1000, UTC) == NOW + timedelta(days=1)


async def test_the_same_choice_again_changes_nothing(store: PracticeStore, engine: AsyncEngine) -> None:
    before = await opted_in(store, "1-2001")
    version, noted = await ReachableSet(engine).version(), await history(engine)
    again = await store.choose_visibility("1-2001", visible=True, consent_text="1", now=NOW)
    assert (again, await ReachableSet(engine).version(), await history(engine)) == (before, version, noted)


async def test_agreeing_to_a_newer_text_is_noted_but_is_no_change_of_reachability(
    store: PracticeStore, engine: AsyncEngine
) -> None:
    await opted_in(store, "1-2001")
    version = await ReachableSet(engine).version()
    await store.choose_visibility("1-2001", visible=True, consent_text="2", now=NOW)
    assert (await history(engine))[-1] == ("opted-in", "1-2001", "2")
    assert await ReachableSet(engine).version() == version


async def test_a_refused_choice_leaves_no_trace(store: PracticeStore, engine: AsyncEngine) -> None:
    await store.join(joining(), NOW)
    with pytest.raises(ChangeRefused):
        await store.choose_visibility("1-2001", visible=True, consent_text="1", now=NOW)
    assert await history(engine) == [("joined", VERIFIER, None)]
    assert await ReachableSet(engine).version() == 1


async def test_an_unknown_practice_is_named_as_such(store: PracticeStore) -> None:
    profile = Profile("Praxis", ("ALLG",), Address("Weg 1", "20099", "Hamburg"))
    for change in (store.withdraw("1-9", NOW), store.write_profile("1-9", profile, NOW)):
        with pytest.raises(UnknownPractice):
            await change
    assert await store.find("1-9") is None
    assert await store.keys("1-9") is None
