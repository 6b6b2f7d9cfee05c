"""What the benchmark of the rules calculates; it is run as a whole by hand, since its figures need a quiet machine."""

from __future__ import annotations

import json

from benchmarks.policy_overhead import figures, table


def test_ours_and_the_peer_are_ratios_of_medians_to_bare_synapse() -> None:
    bare, ours, peer = ({"send_10": [x, 3 * x, x], "invite": [x]} for x in (0.02, 0.021, 0.03))
    found = figures([bare, ours, peer])
    assert (found["send_10"], found["peer_send_10"]) == (1.05, 1.5)
    assert (found["bare_invite_ms"], found["ours_invite_ms"], found["peer_invite_ms"]) == (20, 21, 30)
    assert json.loads(json.dumps(found)) == found
    lines = table(found)
    assert [line.split()[0] for line in lines[1:-1]] == ["send_10", "invite"]
    assert "1.05" in lines[-1]
