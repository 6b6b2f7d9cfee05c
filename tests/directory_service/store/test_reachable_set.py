"""The reachable set by version: the sum of all deltas is always the set itself."""

import asyncio
import random
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.practice import Practice, is_open_to_insured
from directory_service.rules.profile import Messenger, MessengerKind
from directory_service.store.changes import ChangeFeed
from directory_service.store.practices import PracticeStore
from directory_service.store.reachable_set import ReachableChange, ReachableSet
from tests.directory_service.store.made_up import NOW, account, opted_in, profile


async def test_an_empty_directory_has_a_version_that_is_not_zero(engine: AsyncEngine) -> None:
    assert await ReachableSet(engine).since(0) == ReachableChange(full=True, since=0, version=1, add=(), remove=())
    assert await ReachableSet(engine).since(1) == ReachableChange(full=False, since=1, version=1, add=(), remove=())


async def test_leaving_is_told_to_who_knows_and_left_out_for_who_starts(engine: AsyncEngine) -> None:
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    practice = await opted_in(store, "1-2001")
    assert await reachable.since(1) == ReachableChange(False, 1, 2, (account(practice),), ())
    await store.withdraw("1-2001", NOW)
    assert await reachable.since(2) == ReachableChange(False, 2, 3, (), (account(practice),))
    assert await reachable.since(0) == ReachableChange(True, 0, 3, (), ())


async def test_who_knows_no_version_of_ours_gets_the_whole_set(engine: AsyncEngine) -> None:
    practice = await opted_in(PracticeStore(engine), "1-2001")
    for unknown in (0, -1, 3, 2**62):
        change = await ReachableSet(engine).since(unknown)
        assert change == ReachableChange(full=True, since=0, version=2, add=(account(practice),), remove=())


async def searched(engine: AsyncEngine) -> list[Practice]:
    """What insured people's search goes through."""
    return [one async for batch in ChangeFeed(engine).listed() for one in batch if is_open_to_insured(one)]


async def test_deltas_from_any_version_lead_to_the_set_that_search_shows(engine: AsyncEngine) -> None:
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    ids = ["1-1", "1-2", "1-3"]
    for telematik_id in ids:
        await opted_in(store, telematik_id)
    chance = random.Random(6)
    known = {0: frozenset[str]()}
    for _ in range(12):
        telematik_id, visible = chance.choice(ids), chance.random() < 0.5
        await store.choose_visibility(telematik_id, visible=visible, consent_text="1", now=NOW)
        shown = frozenset(map(account, await searched(engine)))
        for version, before in list(known.items()):
            change = await reachable.since(version)
            after = (frozenset() if change.full else before) | set(change.add)
            assert after - set(change.remove) == shown
        known[await reachable.version()] = shown


async def test_changes_at_the_same_time_get_a_version_each(engine: AsyncEngine) -> None:
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    ids = [f"1-{number}" for number in range(6)]
    for telematik_id in ids:
        await opted_in(store, telematik_id)
    before = await reachable.version()
    await asyncio.gather(*(store.withdraw(telematik_id, NOW) for telematik_id in ids))
    assert await reachable.version() == before + len(ids)
    assert len((await reachable.since(before)).remove) == len(ids)


async def test_pages_of_any_size_lead_to_the_same_set(engine: AsyncEngine) -> None:
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    ids = [f"1-{number}" for number in range(7)]
    for telematik_id in ids:
        await opted_in(store, telematik_id)
    known = frozenset((await reachable.since(0)).add)
    version = await reachable.version()
    for telematik_id in ids[:3]:
        await store.withdraw(telematik_id, NOW)
    whole = frozenset((await reachable.since(0)).add)
    for limit in (1, 2, 3, 4, 100):
        for start, before in ((0, frozenset[str]()), (version, known)):
            held, at, more = set(before), start, True
            while more:
                page = await reachable.since(at, limit)
                assert len(page.add) + len(page.remove) <= limit
                assert page.full == (at == 0)
                held = (held | set(page.add)) - set(page.remove)
                at, more = page.version, page.more
            assert (frozenset(held), at) == (whole, await reachable.version())


async def test_an_address_is_reachable_as_long_as_one_practice_answers_there(engine: AsyncEngine) -> None:
    store, reachable = PracticeStore(engine), ReachableSet(engine)
    shared = Messenger("@zentrale:klinik.example", MessengerKind.TIM_FA)
    for telematik_id in ("1-1", "1-2"):
        await opted_in(store, telematik_id)
        await store.write_profile(telematik_id, replace(profile(telematik_id), messengers=(shared,)), NOW)
    assert (await reachable.since(0)).add == (shared.user_id,)
    version = await reachable.version()
    await store.withdraw("1-1", NOW)
    assert await reachable.version() == version
    await store.withdraw("1-2", NOW)
    assert await reachable.since(version) == ReachableChange(False, version, version + 1, (), (shared.user_id,))


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
        assert set((await reachable.since(0)).add) == expected
        assert bool(await searched(engine)) == bool(expected)
