"""What the benchmark calculates and reads; it is run as a whole by hand, since its figures need a quiet machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from aiohttp.test_utils import TestClient, TestServer

from benchmarks.echo_rounds import Round, Side
from benchmarks.many_rooms import HISTORY, ManyRooms
from benchmarks.session_throughput import figures, table
from benchmarks.start_up import StartUp
from benchmarks.watched_process import usage

_SYNC = "/_matrix/client/v3/sync"
_SESSION = Side((Round(30, 2.0), Round(10, 4.0), Round(20, 3.0)))
_BARE = Side((Round(25, 1.0), Round(25, 1.0), Round(40, 1.0)))
_STARTS = {1_000: StartUp(1.23456, 0.5, 150, 90, 0.2), 10_000: StartUp(10, 1, 900, 130, 2)}


def test_the_ratio_is_that_of_the_medians_and_every_size_has_its_figures() -> None:
    found = figures(_SESSION, _BARE, _STARTS)
    assert found["throughput_ratio"] == 0.8
    assert found["session_messages_per_s"] == 20
    assert found["bare_nio_messages_per_s"] == 25
    assert found["session_processor_ms_per_message"] == 3
    assert found["startup_s_1000"] == 1.235
    assert found["memory_mb_10000"] == 900
    assert json.loads(json.dumps(found)) == found


def test_the_table_shows_every_round_and_every_size() -> None:
    lines = list(table(_SESSION, _BARE, _STARTS))
    assert sum("round" in line for line in lines) == 3
    assert [line.split()[0] for line in lines if "MiB" in line] == ["1000", "10000"]


def test_a_process_is_watched_while_it_works_and_while_it_holds_memory() -> None:
    work = "held = bytearray(200 * 1024**2)\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", work])
    try:
        deadline = time.monotonic() + 60
        while (used := usage(process.pid)).processor_s < 0.3 or used.peak_mb < 200:
            assert time.monotonic() < deadline, used
            time.sleep(0.05)
        assert usage(os.getpid()).peak_mb > 10
    finally:
        process.kill()
        process.wait()


async def test_the_stand_in_gives_as_much_of_each_room_as_the_filter_asks_for() -> None:
    async with TestClient(TestServer(ManyRooms(3).app())) as client:

        async def rooms(**wanted: object) -> dict[str, dict[str, dict[str, object]]]:
            answer = await client.get(_SYNC, params={"filter": json.dumps({"room": wanted})})
            joined: dict[str, dict[str, dict[str, object]]] = (await answer.json())["rooms"]["join"]
            return joined

        few = await rooms(timeline={"limit": 5}, state={"types": []})
        all_of_it = await rooms(timeline={"limit": 100})
        assert len(few) == len(all_of_it) == 3
        for room in few.values():
            assert (len(room["timeline"]["events"]), room["timeline"]["limited"]) == (5, True)  # type: ignore[arg-type]
            assert room["state"]["events"] == []
        for room in all_of_it.values():
            assert (len(room["timeline"]["events"]), room["timeline"]["limited"]) == (HISTORY, False)  # type: ignore[arg-type]
            assert room["state"]["events"]
        assert "next" not in await (await client.get("/moments")).json()
        await client.get(_SYNC, params={"since": "s1", "timeout": "0"})
        assert "next" in await (await client.get("/moments")).json()
