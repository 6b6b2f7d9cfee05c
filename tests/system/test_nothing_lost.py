"""Kills at random moments lose, double and reorder no message; and whoever loses one is found out."""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.system.nothing_lost.__main__ import chosen_run
from tests.system.nothing_lost.kill_plan import Victim, draw_kills
from tests.system.nothing_lost.ordeal import Ordeal, Scale
from tests.system.nothing_lost.tally import Tally, count, total

_SHORT = Scale(messages=200, own_a_room=10, own_pause_s=0.2, kills=5, rooms=3, clients=3)


@pytest.mark.timeout(600)
async def test_no_message_is_lost_doubled_or_reordered_while_service_and_homeserver_are_killed(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    progress = [f"again: {_SHORT.again(seed)}"]
    outcome = await Ordeal(tmp_path, _SHORT, seed, progress.append).run()
    assert outcome.faultless, "\n".join((*progress, *outcome.lines(), f"in {tmp_path}"))
    assert outcome.kills >= _SHORT.kills


def test_what_is_advised_to_repeat_a_run_repeats_it() -> None:
    python, module_option, module, *options = shlex.split(_SHORT.again(4711))
    assert (python, module_option, module) == ("python", "-m", "tests.system.nothing_lost")
    assert chosen_run(options) == (_SHORT, 4711)
    usual, seed = chosen_run(["--seed", "0"])
    assert chosen_run(shlex.split(usual.again(seed))[3:]) == (usual, 0)


# -- the judge is judged: services that are careless in each way ------------------------------------------------------

_TEN = tuple(range(10))


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (_TEN, Tally(expected=10)),
        # A service that saves its position before it handled what came: killed in between, it loses the rest of it.
        ((0, 1, 2, 6, 7, 8, 9), Tally(expected=10, lost=3)),
        # One that saves it only long after: killed in between, it answers a second time.
        ((0, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9), Tally(expected=10, doubled=2)),
        # One that puts a message that failed aside and goes on.
        ((0, 1, 3, 4, 2, 5, 6, 7, 8, 9), Tally(expected=10, reordered=1)),
        # One that handles a room's messages side by side.
        ((1, 0, 3, 2, 5, 4, 7, 6, 9, 8), Tally(expected=10, reordered=5)),
        # One that answers what nobody said.
        ((*_TEN, 99), Tally(expected=10, strange=1)),
        ((), Tally(expected=10, lost=10)),
    ],
)
def test_every_kind_of_carelessness_is_counted(there: tuple[int, ...], found: Tally) -> None:
    assert count(_TEN, there) == found
    assert count(_TEN, there).faultless == (there == _TEN)


@given(st.lists(st.integers(), unique=True, min_size=2, max_size=50), st.data())
def test_one_fault_anywhere_is_never_overlooked(expected: list[int], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(expected) - 2))
    without = expected[:place] + expected[place + 1 :]
    assert count(expected, expected).faultless
    assert count(expected, without).lost == 1
    assert count(expected, [*expected, expected[place]]).doubled == 1
    swapped = [*expected[:place], expected[place + 1], expected[place], *expected[place + 2 :]]
    assert count(expected, swapped) == Tally(expected=len(expected), reordered=1)


def test_a_fault_in_one_stream_shows_in_the_sum() -> None:
    assert total([count([1, 2], [1, 2]), count([1, 2], [2, 1])]) == Tally(expected=4, reordered=1)
    assert not total([]).faultless, "no message at all proves nothing"


def test_what_is_expected_must_be_distinct() -> None:
    with pytest.raises(ValueError, match="twice"):
        count([1, 1], [1])


class Stream:
    """A stream that a service reads from a position on, and is killed in the midst of."""

    def __init__(self) -> None:
        self.position = 0
        self.answers: list[int] = []

    def read(self) -> Iterable[int]:
        """The next messages, ten at a time."""
        return range(self.position, min(self.position + 10, 50))


def saves_first(stream: Stream, killed_after: int) -> None:
    messages = list(stream.read())
    stream.position += len(messages)
    stream.answers += messages[:killed_after]


def saves_last(stream: Stream, killed_after: int) -> None:
    messages = list(stream.read())
    stream.answers += messages[:killed_after]
    if killed_after >= len(messages):
        stream.position += len(messages)


def saves_together(stream: Stream, killed_after: int) -> None:
    for message in list(stream.read())[:killed_after]:
        stream.answers.append(message)
        stream.position = message + 1


@pytest.mark.parametrize(
    ("service", "lost", "doubled"),
    [(saves_first, True, False), (saves_last, False, True), (saves_together, False, False)],
)
def test_the_order_of_saving_and_handling_shows_after_kills(
    service: Callable[[Stream, int], None], lost: bool, doubled: bool
) -> None:
    stream = Stream()
    for killed_after in (4, 10, 7):
        service(stream, killed_after)
    for _ in range(6):
        service(stream, 10)
    found = count(range(50), stream.answers)
    assert (found.lost > 0, found.doubled > 0) == (lost, doubled)


# -- the plan ---------------------------------------------------------------------------------------------------------


def test_a_seed_repeats_its_kills_and_another_seed_has_others() -> None:
    plan = draw_kills(7, kills=50, messages=5000)
    assert plan == draw_kills(7, kills=50, messages=5000)
    assert plan != draw_kills(8, kills=50, messages=5000)


@given(st.integers(0, 2**32), st.integers(2, 20_000))
def test_kills_are_spread_over_the_traffic(seed: int, messages: int) -> None:
    moments = [kill.after for kill in draw_kills(seed, kills=60, messages=messages)]
    assert len(moments) == 60
    assert moments == sorted(moments)
    assert moments[-1] <= messages
    assert moments[0] >= 1


def test_every_victim_dies_in_a_long_plan() -> None:
    assert {kill.victim for kill in draw_kills(1, kills=50, messages=5000)} == set(Victim)
