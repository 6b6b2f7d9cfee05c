"""How long an honest user waits while services are attacked: ``python benchmarks/hostile_load.py [--quick]``.

Tries every row of ``tests/security`` that is about time, on real processes with the shipped limits. An honest user asks
one request after another meanwhile. ``--quick`` tries as many as fit into half a minute, one of each component and
kind first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.security.attack import Attack, Component
from tests.security.house import open_house
from tests.security.table import TABLE

_QUICK_S = 30
_LONGEST_S = 280


def _one_of_each_first(attacks: Sequence[Attack]) -> list[Attack]:
    """The same rows, so that whoever stops early has seen as many components and kinds as possible."""
    seen: dict[tuple[str, str], int] = {}
    turns: list[tuple[int, Attack]] = []
    for attack in attacks:
        turn = seen[attack.component, attack.kind] = seen.get((attack.component, attack.kind), -1) + 1
        turns.append((turn, attack))
    return [attack for _, attack in sorted(turns, key=lambda one: one[0])]


def measure(attacks: Sequence[Attack], *, until: float) -> dict[Attack, float]:
    """The longest wait in ms of each attack that was begun before a moment of the monotonic clock.

    Raises:
        AssertionError: if an attack was not stopped, or the honest request beside it not served.
    """
    waits: dict[Attack, float] = {}
    with TemporaryDirectory() as folder, open_house(Path(folder)) as house:
        for attack in _one_of_each_first(attacks):
            if waits and time.monotonic() > until:
                break
            outcome = house.run(attack.attempt, _LONGEST_S)
            assert outcome.stopped, f"{attack.name}: {outcome.said}"
            assert outcome.allowed, f"{attack.name}: {outcome.said}"
            assert outcome.longest_wait_ms is not None, attack.name
            waits[attack] = outcome.longest_wait_ms
            sys.stdout.write(f"{outcome.longest_wait_ms:8.1f} ms  {attack.component:11} {attack.name}\n")
            sys.stdout.flush()
    return waits


def main() -> None:
    """Prints a line an attack, and as the last line one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="as many as fit into half a minute")
    until = time.monotonic() + (_QUICK_S if parser.parse_args().quick else float("inf"))
    waits = measure([attack for attack in TABLE if attack.kind.is_about_time], until=until)
    by_component = {
        component: [wait for attack, wait in waits.items() if attack.component is component] for component in Component
    }
    figures: dict[str, float] = {"attacks": len(waits), "longest_wait_ms": round(max(waits.values()), 1)}
    for component, found in by_component.items():
        if found:
            figures[f"longest_wait_ms_{component}"] = round(max(found), 1)
            figures[f"median_wait_ms_{component}"] = round(statistics.median(found), 1)
            figures[f"goal_ms_{component}"] = component.longest_wait_ms
    print(json.dumps(figures))  # noqa: T201 - what was asked for


if __name__ == "__main__":
    main()
