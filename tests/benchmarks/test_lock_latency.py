"""What the benchmark of locks calculates; it is run as a whole by hand, since its figures need a quiet machine."""

from __future__ import annotations

import json

from benchmarks.lock_latency import Measured, figures, table


def test_the_last_process_of_a_round_counts_and_the_call_with_it() -> None:
    ours = Measured(
        [0.1, 0.1], {"main": [0.0, 0.01], "worker1": [0.02, 0.03]}, {"main": [0.0, 0.04], "worker1": [0.0, 0.0]}
    )
    stock = Measured([0.05, 0.05], {"main": [0.0, 0.0], "worker1": [0.05, 0.05]})
    found = figures(ours, stock)
    assert (found["refused_median_ms"], found["refused_max_ms"]) == (25, 30)
    assert found["polls_ended_max_ms"] == 40
    assert found["median_ratio"] == 1.25
    assert json.loads(json.dumps(found)) == found
    assert "Longest: 40.0 ms (goal: at most 1000)" in table(ours, found)[-1]
