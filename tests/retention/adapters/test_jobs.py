"""Both jobs over HTTP: what is due is done once, and what fails is said and finished later."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.settings import load_settings
from retention.app import BOTH_JOBS, check_proof, run_jobs
from retention.rules.moments import erase_before, parse_as_of
from retention.settings import RetentionSettings, UsualErasureSettings
from retention.store.offers import Offers
from tests.retention.stand_ins import BotStandIn, HomeserverStandIn, serving, write_settings

AS_OF = parse_as_of("2031-11-25")
OLD = to_milliseconds(parse_as_of("2026-11-24"))
YOUNG = to_milliseconds(parse_as_of("2026-11-26"))
ROOM, TEAM = "!support:x", "!team:x"


class World:
    """Homeserver, bot, and settings that name them."""

    def __init__(self, homeserver: HomeserverStandIn, bot: BotStandIn, settings: RetentionSettings) -> None:
        self.homeserver = homeserver
        self.bot = bot
        self.settings = settings
        self.lines: list[str] = []

    async def run(self, as_of: str | None = None, **options: Any) -> dict[str, Any]:
        moment = parse_as_of(as_of) if as_of else AS_OF
        return await run_jobs(self.settings, moment, BOTH_JOBS, self.lines.append, **options)

    def take_for_usual(self, **limits: Any) -> None:
        """Sets what a run may erase without being asked about."""
        self.settings = self.settings.model_copy(update={"usual_erasure": UsualErasureSettings(**limits)})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    homeserver = HomeserverStandIn(
        idle=[("@erika:x", "!a:x", 1000), ("@max:x", "!b:x", 2000), ("@erika:x", "!c:x", 3000)],
        events={ROOM: [OLD, OLD, YOUNG], TEAM: [OLD]},
        media={"mxc://x/a", "mxc://x/b", "mxc://x/young"},
    )
    bot = BotStandIn(
        messages=[(ROOM, OLD), (ROOM, OLD), (ROOM, YOUNG), (TEAM, OLD)],
        media=[(ROOM, "mxc://x/a", OLD), (TEAM, "mxc://x/b", OLD), (ROOM, "mxc://x/young", YOUNG)],
    )
    async with serving(homeserver) as homeserver_url, serving(bot) as bot_url:
        settings = load_settings(RetentionSettings, write_settings(tmp_path, homeserver_url, bot_url))
        yield World(homeserver, bot, settings)


async def test_idle_rooms_of_all_pages_become_one_offer_a_person(world: World, engine: AsyncEngine) -> None:
    summary = await world.run()
    assert summary["offers"] == {"people": 2, "idle_rooms": 3, "offers": 2, "offered_rooms": 3}
    offers = await Offers(engine).unfinished()
    assert {(offer.user_id, len(offer.rooms)) for offer in offers} == {("@erika:x", 2), ("@max:x", 1)}
    again = await world.run()
    assert again["offers"]["offers"] == 0


async def test_old_conversations_are_erased_on_both_sides_and_young_ones_stay(world: World) -> None:
    summary = await world.run()
    assert summary["done"] is True
    counts = {"rooms": 2, "erased_rooms": 2, "messages": 3, "media": 2, "remains": ()}
    assert summary["erasures"] == {"before": to_milliseconds(erase_before(AS_OF, 5))} | counts
    assert world.homeserver.events == {ROOM: [YOUNG], TEAM: []}
    assert world.homeserver.media == {"mxc://x/young"}
    assert world.bot.messages == [(ROOM, YOUNG)]
    lines, verdict = await check_proof(world.settings)
    assert (len(lines), verdict.rows, verdict.broken_at) == (2, 2, None)
    assert ROOM not in "".join(lines) + "".join(world.lines)


async def test_what_is_younger_than_five_years_is_left_alone(world: World) -> None:
    summary = await world.run("2031-11-24")
    assert summary["erasures"]["rooms"] == 0
    assert world.homeserver.events[ROOM] == [OLD, OLD, YOUNG]
    assert world.bot.erased_before == []
    assert (await check_proof(world.settings))[1].rows == 0


@pytest.mark.parametrize("stays", [ROOM, "mxc://x/a"])
async def test_the_bot_keeps_its_list_until_the_homeserver_has_erased_everything(world: World, stays: str) -> None:
    world.homeserver.undeletable = {stays}
    summary = await world.run()
    assert summary["done"] is False
    assert len(summary["erasures"]["remains"]) == 1
    assert world.bot.erased_before == []
    assert (await check_proof(world.settings))[1].rows == 0
    world.homeserver.undeletable = set()
    assert (await world.run())["done"] is True
    assert world.homeserver.events == {ROOM: [YOUNG], TEAM: []}
    assert (await check_proof(world.settings))[1].rows == 2


async def test_one_room_that_is_refused_is_named_and_the_others_are_erased(world: World) -> None:
    refused = world.homeserver.events.pop(ROOM)
    summary = await world.run()
    assert "not-erasable" in summary["erasures"]["remains"][0]
    assert "409" in summary["erasures"]["remains"][0]
    assert (summary["done"], summary["erasures"]["erased_rooms"]) == (False, 1)
    assert world.homeserver.events == {TEAM: []}
    assert world.bot.erased_before == []
    world.homeserver.events[ROOM] = refused
    assert (await world.run())["erasures"]["erased_rooms"] == 2


async def test_the_homeserver_erases_up_to_the_same_moment_as_the_bot(world: World) -> None:
    world.homeserver.undeletable = {ROOM}
    await world.run()
    world.homeserver.undeletable = set()
    await world.run("2031-11-27")
    before = to_milliseconds(parse_as_of("2026-11-27"))
    assert {moment for _, moment in world.homeserver.erasures[-2:]} == {before}
    assert world.bot.erased_before == [before]
    assert (world.homeserver.events, world.bot.messages) == ({ROOM: [], TEAM: []}, [])


async def test_nothing_is_proved_while_the_bot_still_holds_something(world: World) -> None:
    world.bot.holds_on = True
    summary = await world.run()
    assert summary["done"] is False
    assert "still holds 3 messages, 2 files" in summary["erasures"]["remains"][0]
    assert (await check_proof(world.settings))[1].rows == 0
    world.bot.holds_on = False
    assert (await world.run())["done"] is True


async def test_an_erasure_that_was_killed_after_the_bot_is_finished_by_the_next_run(world: World) -> None:
    world.bot.holds_on = True
    await world.run()
    # As if the process had been killed after the bot erased and before that was stored.
    world.bot.messages, world.bot.media = [], []
    summary = await world.run()
    assert summary["done"] is True
    lines, verdict = await check_proof(world.settings)
    assert (len(lines), verdict.rows) == (2, 2)


async def test_a_component_that_is_down_is_named_and_the_other_job_still_runs(world: World) -> None:
    world.bot.down = True
    summary = await world.run()
    assert summary["done"] is False
    assert "503" in summary["erasures"]["failed"]
    assert summary["offers"]["offers"] == 2
    world.bot.down = False
    world.homeserver.down = {"care-rooms/idle"}
    summary = await world.run()
    assert "503" in summary["offers"]["failed"]
    assert summary["erasures"]["rooms"] == 2


def everything(world: World) -> tuple[object, ...]:
    """What is there to be lost."""
    return dict(world.homeserver.events), set(world.homeserver.media), list(world.bot.messages), list(world.bot.media)


@pytest.mark.parametrize("limits", [{"most": 4}, {"share_from": 5, "most_share": 0.7}])
async def test_an_unusual_erasure_stops_and_asks(world: World, limits: dict[str, Any]) -> None:
    # Due are 3 messages and 2 files of the 7 that are held.
    before = everything(world)
    world.take_for_usual(**limits)
    summary = await world.run()
    assert summary["done"] is False
    assert "--accept-count 5" in summary["erasures"]["remains"][0]
    assert everything(world) == before
    assert (await world.run(accept_count=4))["done"] is False
    assert everything(world) == before
    assert (await world.run(accept_count=5))["done"] is True
    assert world.bot.messages == [(ROOM, YOUNG)]


@pytest.mark.parametrize(
    "limits", [{"most": 5}, {"share_from": 6, "most_share": 0.1}, {"share_from": 1, "most_share": 0.72}]
)
async def test_a_usual_erasure_is_not_asked_about(world: World, limits: dict[str, Any]) -> None:
    world.take_for_usual(**limits)
    assert (await world.run())["done"] is True


async def test_an_erasure_that_was_begun_is_finished_and_what_came_due_since_is_asked_about(world: World) -> None:
    world.homeserver.undeletable = {ROOM}
    await world.run()
    world.homeserver.undeletable = set()
    world.take_for_usual(most=1)
    assert (await world.run("2031-11-27"))["done"] is True
    assert world.bot.messages == [(ROOM, YOUNG)]
    assert "--accept-count 2" in (await world.run("2031-11-27"))["erasures"]["remains"][0]
    assert world.bot.messages == [(ROOM, YOUNG)]


async def test_a_dry_run_counts_and_does_nothing(world: World, engine: AsyncEngine) -> None:
    before = everything(world)
    world.take_for_usual(most=1)
    summary = await world.run(dry_run=True)
    assert summary["dry_run"] is True
    assert summary["offers"] == {"people": 2, "idle_rooms": 3, "offers": 2, "offered_rooms": 3}
    counts = {"rooms": 2, "erased_rooms": 0, "messages": 3, "media": 2, "remains": ()}
    assert summary["erasures"] == {"before": to_milliseconds(erase_before(AS_OF, 5))} | counts
    assert any("--accept-count 5" in line for line in world.lines)
    assert everything(world) == before
    assert await Offers(engine).unfinished() == []
    assert (await check_proof(world.settings))[1].rows == 0
