"""The moments at which the tests are tried, and that every Python of such a run believes them."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.clocks.__main__ import environment_at
from tests.clocks.moments import BERLIN, moments, moments_of_the_day

_TWICE = """
import json, subprocess, sys, time
from datetime import UTC, datetime
from time import time as imported
said = [time.time(), imported(), datetime.now(UTC).timestamp(), time.clock_gettime(time.CLOCK_REALTIME)]
print(json.dumps([said, time.monotonic()]), flush=True)
if len(sys.argv) > 1:
    subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
"""


def test_the_moments_are_those_that_people_fear() -> None:
    shown = [f"{one.starts_at.astimezone(BERLIN):%a %d %b %Y %H:%M %Z}" for one in moments(date(2026, 12, 1))]
    assert shown == [
        "Tue 08 Dec 2026 10:40 CET",
        "Sun 28 Mar 2027 01:30 CET",
        "Sun 28 Mar 2027 03:30 CEST",
        "Thu 31 Dec 2026 23:50 CET",
        "Sun 31 Oct 2027 02:30 CET",
        "Sun 31 Oct 2027 03:30 CET",
        "Tue 29 Feb 2028 13:00 CET",
    ]


@given(st.dates(date(2024, 1, 1), date(2090, 1, 1)))
def test_all_moments_lie_ahead_and_are_tried_within_a_week(today: date) -> None:
    every = moments(today)
    assert all(one.starts_at.astimezone(BERLIN).date() > today for one in every)
    week = [moments_of_the_day(today + timedelta(days=days)) for days in range(7)]
    assert {one.name for day in week for one in day} == {one.name for one in every}
    assert all(len({one.name for one in day}) == 2 for day in week)
    assert {one.name for one in week[0]}.isdisjoint(one.name for one in week[1]), "others each day"


def test_every_python_of_a_run_has_the_shifted_clock_and_the_machines_monotonic_one() -> None:
    moment = datetime.now(UTC) + timedelta(days=1000)
    command = [sys.executable, "-c", _TWICE, _TWICE]
    lines = subprocess.run(
        command, env=environment_at(moment), check=True, capture_output=True, text=True, timeout=60
    ).stdout.splitlines()
    assert len(lines) == 2, "the one that was started, and the one that it started"
    waited = json.loads(subprocess.check_output([sys.executable, "-c", _TWICE], timeout=60))[1]
    for line in lines:
        said, monotonic = json.loads(line)
        assert all(abs(clock - moment.timestamp()) < 600 for clock in said)
        assert abs(monotonic - waited) < 600
