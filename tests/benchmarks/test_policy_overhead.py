"""What the benchmark of the rules calculates; it is run as a whole by hand, since its figures need a quiet machine."""

from __future__ import annotations

import json
import os
import time

import pytest

from benchmarks.policy_overhead import Turn, figures, table
from benchmarks.watched_process import processor_time_s


def _turns(*waited_ms: float, processor_ms: float) -> list[Turn]:
    return [Turn([one / 1000] * 5, processor_ms / 1000) for one in waited_ms]


def test_ours_and_the_peer_are_ratios_of_medians_to_bare_synapse() -> None:
    bare = {"send_10": _turns(20, 60, 20, processor_ms=10), "invite": _turns(20, 20, 20, processor_ms=40)}
    ours = {"send_10": _turns(21, 21, 63, processor_ms=11), "invite": _turns(21, 21, 21, processor_ms=42)}
    peer = {"send_10": _turns(30, 30, 30, processor_ms=12), "invite": _turns(30, 30, 30, processor_ms=60)}
    found = figures([bare, ours, peer])
    assert found["rounds"] == 3
    assert (found["send_10"], found["peer_send_10"]) == (1.05, 1.5)
    assert (found["send_10_processor"], found["peer_send_10_processor"]) == (1.1, 1.2)
    assert (found["bare_invite_ms"], found["ours_invite_ms"], found["peer_invite_ms"]) == (20, 21, 30)
    assert found["ours_invite_processor_ms"] == 42
    assert found["invite_uncertainty"] == 0 < found["send_10_uncertainty"]
    assert json.loads(json.dumps(found)) == found
    lines = table(found)
    assert [line.split()[0] for line in lines[2:-3]] == ["send_10", "invite"]
    assert "1.05" in lines[-2]
    assert "synapse-invite-checker" in lines[-1]
    assert "shim" in lines[-1]


def test_the_processor_time_of_a_process_is_that_which_it_sees_itself() -> None:
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert processor_time_s(os.getpid()) == pytest.approx(time.process_time(), abs=0.02)
