"""How many of the routes are open: ``python -m tests.system.attack_routes --against bare`` (or ``peer``, ``ours``)."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.synapse_modules.federation import Federation, running_federation
from tests.system.attack_routes import TABLE
from tests.system.attack_routes.judge import Judge
from tests.system.attack_routes.peer import running_peer
from tests.system.attack_routes.people import BareScene, Scene, SceneOfOurs
from tests.system.attack_routes.table import Route
from tests.system.attack_routes.trials import AT_ONCE


async def _count(federation: Federation, scene: Scene, against: str) -> None:
    judge, places = Judge(federation), asyncio.Semaphore(AT_ONCE)
    tried, opened, stopped = Counter[str](), Counter[str](), 0

    async def count(route: Route) -> None:
        nonlocal stopped
        subject = route.name.partition("-")[0]
        tried[subject] += 1
        try:
            async with places:
                signs = await judge.attack(route, scene)
        except (AssertionError, KeyError, StopIteration) as fault:
            # Not even what the attempt stands on, such as a chat of the victim's with a practice, came about there.
            stopped += 1
            said = f"closed  {route.name}  it stopped on its way: {type(fault).__name__} {fault}"
        else:
            opened[subject] += bool(signs)
            said = f"{'open  ' if signs else 'closed'}  {route.name}  {', '.join(sorted(signs))}"
        sys.stdout.write(said.splitlines()[0][:300] + "\n")
        sys.stdout.flush()

    async with asyncio.TaskGroup() as tasks:
        for route in TABLE:
            tasks.create_task(count(route))
    for subject, routes in tried.items():
        sys.stdout.write(f"{subject}: {opened[subject]} of {routes} are open\n")
    figures = {"against": against, "routes": tried.total(), "open": opened.total(), "stopped_on_the_way": stopped}
    sys.stdout.write(json.dumps(figures | {"share_open": round(opened.total() / tried.total(), 3)}) + "\n")


@contextmanager
def _scene(against: str, folder: Path, federation: Federation) -> Iterator[Scene]:
    match against:
        case "bare":
            yield BareScene(federation)
        case "peer":
            with running_peer(folder, federation) as scene:
                yield scene
        case _:
            yield SceneOfOurs(federation)


def main() -> None:
    """Starts the homeservers, tries every route, and says what is open; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", choices=("bare", "peer", "ours"), default="ours", help="what is attacked")
    against = parser.parse_args().against
    with TemporaryDirectory() as name:
        folder = Path(name)
        with running_federation(folder) as federation, _scene(against, folder / "peer", federation) as scene:
            asyncio.run(_count(federation, scene, against))


if __name__ == "__main__":
    main()
