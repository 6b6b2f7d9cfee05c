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
from tests.system.attack_routes.judge import Judge
from tests.system.attack_routes.people import BareScene, Scene, SceneOfOurs
from tests.system.attack_routes.table import Route
from tests.system.attack_routes.trials import AT_ONCE

_SCENES: dict[str, type[BareScene] | type[SceneOfOurs]] = {"bare": BareScene, "ours": SceneOfOurs}


async def _count(federation: Federation, scene: Scene, against: str) -> None:
    judge, places = Judge(federation), asyncio.Semaphore(AT_ONCE)
    tried, opened = Counter[str](), Counter[str]()

    async def count(route: Route) -> None:
        async with places:
            signs = await judge.attack(route, scene)
        subject = route.name.partition("-")[0]
        tried[subject] += 1
        opened[subject] += bool(signs)
        sys.stdout.write(f"{'open  ' if signs else 'closed'}  {route.name}  {', '.join(sorted(signs))}\n")
        sys.stdout.flush()

    async with asyncio.TaskGroup() as tasks:
        for route in TABLE:
            tasks.create_task(count(route))
    for subject, routes in tried.items():
        sys.stdout.write(f"{subject}: {opened[subject]} of {routes} are open\n")
    figures = {"against": against, "routes": tried.total(), "open": opened.total()}
    sys.stdout.write(json.dumps(figures | {"share_open": round(opened.total() / tried.total(), 3)}) + "\n")


def main() -> None:
    """Starts the homeservers, tries every route, and says what is open; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", choices=tuple(_SCENES), default="ours", help="the Synapse that is attacked")
    against = parser.parse_args().against
    with TemporaryDirectory() as folder, running_federation(Path(folder)) as federation:
        asyncio.run(_count(federation, _SCENES[against](federation), against))


if __name__ == "__main__":
    main()
