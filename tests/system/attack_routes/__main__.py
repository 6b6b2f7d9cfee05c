"""How many of the routes are open: ``python -m tests.system.attack_routes --against bare`` (or ``ours``)."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.synapse_modules.federation import Federation, running_federation
from tests.system.attack_routes import TABLE
from tests.system.attack_routes.judge import signs_of_attack


async def _count(federation: Federation, against: str) -> None:
    tried, opened = Counter[str](), Counter[str]()
    for route in TABLE:
        signs = await signs_of_attack(federation, route, on_bare=against == "bare")
        subject = route.name.partition("-")[0]
        tried[subject] += 1
        opened[subject] += bool(signs)
        sys.stdout.write(f"{'open  ' if signs else 'closed'}  {route.name}  {', '.join(sorted(signs))}\n")
        sys.stdout.flush()
    for subject, count in tried.items():
        sys.stdout.write(f"{subject}: {opened[subject]} of {count} are open\n")
    figures = {"against": against, "routes": tried.total(), "open": opened.total()}
    sys.stdout.write(json.dumps(figures | {"share_open": round(opened.total() / tried.total(), 3)}) + "\n")


def main() -> None:
    """Starts the homeservers, tries every route, and says what is open; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", choices=("bare", "ours"), default="ours", help="the Synapse that is attacked")
    against = parser.parse_args().against
    with TemporaryDirectory() as folder, running_federation(Path(folder)) as federation:
        asyncio.run(_count(federation, against))


if __name__ == "__main__":
    main()
