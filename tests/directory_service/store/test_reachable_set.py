"""The reachable set by version: the sum of all deltas is always the set itself."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.audit_chain import START, AuditHead
from directory_service.rules.practice import Practice, is_open_to_insured
from directory_service.rules.profile import Messenger, MessengerKind
from directory_service.store.changes import ChangeFeed
from directory_service.store.history import Position
from directory_service.store.practices import PracticeStore
from directory_service.store.reachable_set import ReachableChange, ReachableSet
from tests.directory_service.store.made_up import NOW, account, backed_up, opted_in, profile, restore


def told(change: ReachableChange) -> tuple[bool, int, int, tuple[str, ...], tuple[str, ...]]:
    """A change without the head of the audit log."""
    return change.full, change.since, change.position.version, change.add, change.remove


async def test_an_empty_directory_has_a_version_that_is_not_zero(engine: AsyncEngine) -> None:
    first = await ReachableSet(engine).since(None)
    assert first == ReachableChange(True, 0, Position(1, AuditHead(0, START)), (), ())
    assert await ReachableSet(engine).since(first.position) == ReachableChange(False, 1, first.position, (), ())


async def test_leaving_is_told_to_who_knows_and_left_out_for_who_starts(engine: AsyncEngine) -> None:
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    first = await reachable.since(None)
    practice = await opted_in(store, "1-2001")
    second = await reachable.since(first.position)
    assert told(second) == (False, 1, 2, (account(practice),), ())
    await store.withdraw("1-2001", NOW)
    assert told(await reachable.since(second.position)) == (False, 2, 3, (), (account(practice),))
    assert told(await reachable.since(None)) == (True, 0, 3, (), ())


async def test_who_knows_no_version_of_ours_gets_the_whole_set(engine: AsyncEngine) -> None:
    practice = await opted_in(PracticeStore(engine), "1-2001")
    reachable = ReachableSet(engine)
    head = (await reachable.since(None)).position.head
    unknown = [Position(version, head) for version in (0, -1, 3, 2**62)]
    unknown += [
        Position(2, other)
        for other in (
            AuditHead(head.entries, "f" * 64),
            AuditHead(head.entries - 1, head.head),
            AuditHead(head.entries + 1, head.head),
            AuditHead(0, head.head),
        )
    ]
    for asked in (None, *unknown):
        assert told(await reachable.since(asked)) == (True, 0, 2, (account(practice),), ())
        assert not await reachable.continues(asked)
    assert await reachable.continues(Position(2, head))


async def test_who_followed_a_history_that_a_restore_took_back_gets_the_whole_set(engine: AsyncEngine) -> None:
    """However far the versions of the new history have grown, and wherever in a set of pages the asker stands."""
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    for telematik_id in ("1-1", "1-2", "1-3"):
        await opted_in(store, telematik_id)
    before = await reachable.since(None)
    kept = await backed_up(engine)
    moved = await opted_in(store, "1-4")
    await store.withdraw("1-1", NOW)
    lost = [await reachable.since(None), await reachable.since(before.position), await reachable.since(None, limit=1)]
    await restore(engine, kept)
    later = NOW + timedelta(hours=1)
    while await reachable.version() <= max(one.position.version for one in lost):
        for visible in (False, True):
            await store.choose_visibility("1-2", visible=visible, consent_text="1", now=later)
        whole = await reachable.since(None)
        assert account(moved) not in whole.add
        for one in lost:
            again = await reachable.since(one.position)
            assert (again.full, again.add) == (True, whole.add)
        # What was told before the backup is a part of both histories.
        held = set(before.add)
        change = await reachable.since(before.position)
        assert (change.full, (held | set(change.add)) - set(change.remove)) == (False, set(whole.add))


async def searched(engine: AsyncEngine) -> list[Practice]:
    """What insured people's search goes through."""
    return [one async for batch in ChangeFeed(engine).listed() for one in batch if is_open_to_insured(one)]


async def test_deltas_from_any_version_lead_to_the_set_that_search_shows(engine: AsyncEngine) -> None:
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    ids = ["1-1", "1-2", "1-3"]
    for telematik_id in ids:
        await opted_in(store, telematik_id)
    chance = random.Random(6)
    known: dict[Position | None, frozenset[str]] = {None: frozenset()}
    for _ in range(12):
        telematik_id, visible = chance.choice(ids), chance.random() < 0.5
        await store.choose_visibility(telematik_id, visible=visible, consent_text="1", now=NOW)
        shown = frozenset(map(account, await searched(engine)))
        for position, before in list(known.items()):
            change = await reachable.since(position)
            after = (frozenset() if change.full else before) | set(change.add)
            assert after - set(change.remove) == shown
        known[(await reachable.since(None)).position] = shown


async def test_changes_at_the_same_time_get_a_version_each(engine: AsyncEngine) -> None:
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    ids = [f"1-{number}" for number in range(6)]
    for telematik_id in ids:
        await opted_in(store, telematik_id)
    before = (await reachable.since(None)).position
    await asyncio.gather(*(store.withdraw(telematik_id, NOW) for telematik_id in ids))
    assert await reachable.version() == before.version + len(ids)
    assert len((await reachable.since(before)).remove) == len(ids)


async def test_pages_of_any_size_lead_to_the_same_set(engine: AsyncEngine) -> None:
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    ids = [f"1-{number}" for number in range(7)]
    for telematik_id in ids:
        await opted_in(store, telematik_id)
    known = await reachable.since(None)
    for telematik_id in ids[:3]:
        await store.withdraw(telematik_id, NOW)
    whole = set((await reachable.since(None)).add)
    for limit in (1, 2, 3, 4, 100):
        starts: list[tuple[Position | None, set[str]]] = [(None, set()), (known.position, set(known.add))]
        for start, before in starts:
            held, at, more = before, start, True
            while more:
                page = await reachable.since(at, limit)
                assert len(page.add) + len(page.remove) <= limit
                assert page.full == (at is None)
                held = (held | set(page.add)) - set(page.remove)
                at, more = page.position, page.more
            assert at is not None
            assert (held, at.version) == (whole, await reachable.version())


async def test_an_address_is_reachable_as_long_as_one_practice_answers_there(engine: AsyncEngine) -> None:
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    shared = Messenger("@zentrale:klinik.example", MessengerKind.TIM_FA)
    for telematik_id in ("1-1", "1-2"):
        await opted_in(store, telematik_id)
        await store.write_profile(telematik_id, replace(profile(telematik_id), messengers=(shared,)), NOW)
    whole = await reachable.since(None)
    assert whole.add == (shared.user_id,)
    version = whole.position.version
    await store.withdraw("1-1", NOW)
    assert await reachable.version() == version
    await store.withdraw("1-2", NOW)
    assert told(await reachable.since(whole.position)) == (False, version, version + 1, (), (shared.user_id,))


async def test_a_profile_decides_which_addresses_are_reachable(engine: AsyncEngine) -> None:
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    await opted_in(store, "1-1")
    own = profile("1-1")
    bot = Messenger("@bot:praxis.example", MessengerKind.TIM_BOT)
    off = replace(own.messengers[0], active=False)
    steps = [
        (replace(own, messengers=(*own.messengers, bot)), {own.messengers[0].user_id, bot.user_id}),
        (replace(own, messengers=(off, bot)), {bot.user_id}),
        (replace(own, messengers=(bot,), hide_from_insured=True), set()),
        (replace(own, messengers=()), set()),
        (own, {own.messengers[0].user_id}),
    ]
    for said, expected in steps:
        await store.write_profile("1-1", said, NOW)
        assert set((await reachable.since(None)).add) == expected
        assert bool(await searched(engine)) == bool(expected)
