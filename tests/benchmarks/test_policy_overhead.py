"""What the benchmark of the rules calculates; it is run as a whole by hand, since its figures need minutes."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest

from benchmarks.policy_overhead import Cost, figures, table
from benchmarks.precedence import kept_apart, precedence
from benchmarks.watched_process import processor_time_s


def _rounds(*waited_ms: float, processor_ms: float) -> list[list[Cost]]:
    return [[Cost(one / 1000, processor_ms / 1000)] * 3 for one in waited_ms]


def test_ours_and_the_peer_are_medians_of_ratios_to_bare_synapses_request_at_the_same_time() -> None:
    """The machine was slow in the second round; the third one disturbed ours alone."""
    bare = {"send_10": _rounds(20, 60, 20, processor_ms=10), "invite": _rounds(20, 20, 20, processor_ms=40)}
    ours = {"send_10": _rounds(21, 63, 80, processor_ms=11), "invite": _rounds(21, 21, 21, processor_ms=42)}
    peer = {"send_10": _rounds(30, 90, 30, processor_ms=12), "invite": _rounds(30, 30, 30, processor_ms=60)}
    found = figures([bare, ours, peer])
    assert found["rounds"] == 3
    assert (found["send_10"], found["peer_send_10"]) == (1.05, 1.5)
    assert (found["send_10_processor"], found["peer_send_10_processor"]) == (1.1, 1.2)
    assert (found["bare_invite_ms"], found["ours_invite_ms"], found["peer_invite_ms"]) == (20, 21, 30)
    assert found["ours_invite_processor_ms"] == 42
    assert found["peer_send_10_uncertainty"] == found["send_10_processor_uncertainty"] == 0
    assert found["send_10_uncertainty"] > 0
    assert json.loads(json.dumps(found)) == found
    lines = table(found, "SQLite", runs_first=False)
    assert [line.split()[0] for line in lines[2:-5]] == ["send_10", "invite"]
    assert "1.05" in lines[-4]
    assert "SQLite" in lines[-3]
    assert "disturbs" in lines[-2]
    assert "disturbs" not in table(found, "SQLite", runs_first=True)[-2]
    assert "synapse-invite-checker" in lines[-1]
    assert "shim" in lines[-1]


def test_the_processor_time_of_a_process_is_that_which_it_sees_itself() -> None:
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert processor_time_s(os.getpid()) == pytest.approx(time.process_time(), abs=0.02)


def test_what_is_measured_runs_first_only_meanwhile_and_only_if_it_may() -> None:
    usual = os.sched_getscheduler(0)
    with precedence([os.getpid()]) as runs_first:
        assert os.sched_getscheduler(0) == (os.SCHED_RR if runs_first else usual)
    assert os.sched_getscheduler(0) == usual


def test_a_server_has_one_processor_for_itself_while_it_is_measured() -> None:
    usual = os.sched_getaffinity(0)
    with subprocess.Popen(["sleep", "60"]) as server:
        with kept_apart([server.pid], [os.getpid()]):
            if len(usual) > 1:
                assert len(os.sched_getaffinity(server.pid)) == 1
                assert os.sched_getaffinity(0) == usual - os.sched_getaffinity(server.pid)
        assert os.sched_getaffinity(server.pid) == os.sched_getaffinity(0) == usual
        server.terminate()
