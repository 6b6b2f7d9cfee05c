"""The directory's search with 200,000 practices: time, requests a second, and what misspelt names find.

``python benchmarks/directory.py [--quick]`` prints a table and, as its last line, one JSON object. Client and server
share the machine; aiohttp's answer to nothing (``hello``) in the same run is the limit of what is possible here. On a
machine that does other things as well, requests a second say little; ``cpu_ms_…`` is the processor time of the server
for one request, and ``hello`` beside it tells how fast the processor is. A Python that was built without profile-guided
optimisation, as pyenv builds it unless told otherwise, takes an eighth more; the first line says which one it is.

Two kinds of searches are asked. *Ordinary* ones (``p50_ms_…``, ``p99_ms_…``, one client) are of practices anywhere;
many find fewer than a bundle holds; ``entries_ordinary_…`` says how many. *Full* ones (``rps_…``, ``cpu_ms_…``,
``p99_ms_…_32`` with 32 connections, ``p99_ms_full_…`` with one client) are of common specialties in the largest
cities, and only those are taken whose bundle has all of its 20 entries; ``entries_…`` is what they were answered with.
With 32 connections all classes and ``hello`` have short turns, one after the other, and the figures are the medians of
their turns: a machine of many tenants is faster in one minute than in the next.

While readers ask full searches of all classes, practices are written: by ``PracticeStore`` in a SQLite database (of
5,000 of the practices), followed by ``ListingFeed``. Once another process writes, as a replica or an import does
(``writes_cost``, ``writes_per_second``); once the process that searches does so itself, as it does for a practice's
software (``own_writes_cost``, ``own_writes_per_second``). Both are told to write 50 times a second and keep to that by
the clock; the figures are how many there really were. Where requests wait in line, each step of a write does as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

# It is run as a file, so Python looks for modules beside it; what it measures lies one folder up.
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.directory_queries import CLASSES, COUNT, Known, in_large_cities, searches
from benchmarks.directory_writes import STORED
from benchmarks.http_load import Load, bodies, load
from benchmarks.made_up_practices import practices
from benchmarks.synapse_people_search import synapse_figures

FEWEST = STORED
"""Among fewer practices nothing is measured: hardly any combined search has a full bundle (among 5,000 seven of 10,000
that are drawn, among 3,000 none), and not all that are written would be there.
"""
_CONNECTIONS = 32
_WRITES = 50
# So often are candidates for full bundles drawn, if there are not enough before; one in fifteen is one of a combined
# search.
_ROUNDS = 50


@asynccontextmanager
async def _process(script: str, *arguments: str) -> AsyncIterator[Process]:
    """A script beside this one as a process; it ends when its input does."""
    path = str(Path(__file__).with_name(script))
    process = await asyncio.create_subprocess_exec(
        sys.executable, path, *arguments, stdin=PIPE, stdout=PIPE, limit=2**20
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        await process.wait()


async def _answer(server: Process) -> dict[str, object]:
    assert server.stdout is not None
    found: dict[str, object] = json.loads(await server.stdout.readline())
    return found


class _Where(NamedTuple):
    """Where the directory and the plain answer to nothing are served, both by one process, and a token for it."""

    port: int
    hello_port: int
    token: str
    database: str


async def _begun(server: Process) -> tuple[dict[str, float], _Where]:
    """What a server says of its index when it serves, and where it does."""
    told = await _answer(server)
    figures = told.pop("figures")
    assert isinstance(figures, dict)
    return figures, _Where(**told)  # type: ignore[arg-type]  # as the server says it


async def _writes(server: Process, per_second: int) -> float:
    """Has the server write from now on; how many writes a second there were before."""
    assert server.stdin is not None
    server.stdin.write(f"writes {per_second}\n".encode())
    await server.stdin.drain()
    reached = (await _answer(server))["reached"]
    assert isinstance(reached, float)
    return reached


def _entries(body: bytes) -> int:
    """How many hits a bundle holds."""
    return sum(entry["search"]["mode"] == "match" for entry in json.loads(body).get("entry", ()))


async def _full(where: _Where, kind: str, known: Known, number: int) -> tuple[list[str], float]:
    """Searches of a class whose bundle is full, and how many entries they have on average."""
    found: list[str] = []
    entries = 0
    for seed in range(_ROUNDS):
        asked = searches(kind, in_large_cities(known), number, seed)
        answers = await bodies(where.port, asked, token=where.token, connections=_CONNECTIONS)
        for path, held in zip(asked, map(_entries, answers), strict=True):
            if held >= COUNT and len(found) < number:
                found.append(path)
                entries += held
        if len(found) == number:
            break
    return found, entries / len(found)


def _processor_s(server: Process) -> float:
    """The processor time that a process has taken."""
    fields = Path(f"/proc/{server.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _each_ms(load: Load, processor_s: float) -> float:
    return processor_s * 1000 / len(load.times_ms)


async def _in_turns(
    server: Process, where: _Where, full: Mapping[str, list[str]], *, turns: int, seconds: float
) -> dict[str, float]:
    """Requests a second, processor time and longest times of each class and of ``hello``: medians of their turns."""
    asked = {"hello": (where.hello_port, ["/hello"])}
    asked |= {kind: (where.port, paths[::-1]) for kind, paths in full.items()}
    found: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(turns):
        for kind, (port, paths) in asked.items():
            before = _processor_s(server)
            many = await load(port, paths, token=where.token, connections=_CONNECTIONS, seconds=seconds)
            found[f"cpu_ms_{kind}"].append(_each_ms(many, _processor_s(server) - before))
            found[f"rps_{kind}"].append(many.per_second)
            found[f"p99_ms_{kind}_32"].append(many.at(0.99))
    return {name: median(values) for name, values in found.items()}


async def measured(server: Process, where: _Where, known: Known, *, quick: bool) -> dict[str, float]:
    """Times and requests a second of each class, with and without writes."""
    port, _, token, database = where
    seconds, number = (1.0, 4_000) if quick else (5.0, 20_000)
    figures: dict[str, float] = {}
    full: dict[str, list[str]] = {}
    for kind in CLASSES:
        full[kind], figures[f"entries_{kind}"] = await _full(where, kind, known, number // 20)
        ordinary = searches(kind, known, number)
        some = await bodies(port, ordinary[: number // 20], token=token, connections=_CONNECTIONS)
        figures[f"entries_ordinary_{kind}"] = sum(map(_entries, some)) / len(some)
        alone = await load(port, ordinary, token=token, connections=1, seconds=seconds)
        figures |= {f"p50_ms_{kind}": alone.at(0.5), f"p99_ms_{kind}": alone.at(0.99)}
        alone = await load(port, full[kind], token=token, connections=1, seconds=seconds)
        figures |= {f"p50_ms_full_{kind}": alone.at(0.5), f"p99_ms_full_{kind}": alone.at(0.99)}
    figures |= await _in_turns(server, where, full, turns=3 if quick else 15, seconds=seconds / 5)
    mixed = [path for group in zip(*full.values(), strict=False) for path in group]
    quiet = [(await load(port, mixed, token=token, connections=_CONNECTIONS, seconds=seconds)).per_second]
    async with _process("directory_writes.py", "--database", database) as other:
        for name, writer in (("", other), ("own_", server)):
            await _writes(writer, _WRITES)
            written = await load(port, mixed[::-1], token=token, connections=_CONNECTIONS, seconds=seconds)
            figures[f"{name}writes_per_second"] = await _writes(writer, 0)
            figures[f"rps_mixed_with_{name}writes"] = written.per_second
    # Before and after, so that a machine which becomes faster or slower meanwhile shows less.
    quiet.append((await load(port, mixed, token=token, connections=_CONNECTIONS, seconds=seconds)).per_second)
    figures["rps_mixed"] = sum(quiet) / 2
    for name in ("", "own_"):
        figures[f"{name}writes_cost"] = figures["rps_mixed"] / figures[f"rps_mixed_with_{name}writes"]
    return figures


async def run(count: int, *, quick: bool) -> dict[str, float]:
    """Everything, by name."""
    async with _process("directory_server.py", "--count", str(count)) as server:
        figures, where = await _begun(server)
        known = list(practices(min(count, 20_000)))
        figures |= await measured(server, where, known, quick=quick)
    figures |= synapse_figures(list(practices(count // 10 if quick else count)), 100 if quick else 400)
    return {name: round(value, 4) for name, value in figures.items()}


def table(figures: Mapping[str, float]) -> list[str]:
    """The most important of it for people."""
    lines = [f"Python {sys.version}"]
    lines.append(
        f"{'':12}{'p50 ms':>10}{'p99 ms':>10}{'entries':>10}{'requests/s':>14}{'processor ms':>14}{'entries':>10}"
    )
    lines.append(f"{'':12}{'one client, ordinary searches':>30}{f'{_CONNECTIONS} connections, full bundles':>38}")
    lines += [
        f"{kind:12}{figures[f'p50_ms_{kind}']:>10.2f}{figures[f'p99_ms_{kind}']:>10.2f}"
        f"{figures[f'entries_ordinary_{kind}']:>10.1f}{figures[f'rps_{kind}']:>14.0f}{figures[f'cpu_ms_{kind}']:>14.3f}"
        f"{figures[f'entries_{kind}']:>10.1f}"
        for kind in CLASSES
    ]
    lines.append(f"{'hello':42}{figures['rps_hello']:>14.0f}{figures['cpu_ms_hello']:>14.3f}")
    lines += [
        f"with {figures[f'{name}writes_per_second']:.1f} writes a second (told: {_WRITES}) by {whom} readers get "
        f"1/{figures[f'{name}writes_cost']:.2f} of the requests"
        for name, whom in (("", "another process"), ("own_", "the same process"))
    ]
    lines.append(
        f"index: {figures['index_build_s']:.1f} s, {figures['index_memory_mb']:.0f} MiB; JSON of all services: "
        f"{figures['preparation_s']:.1f} s; the process {figures['memory_mb']:.0f} MiB"
    )
    for kind in ("edit", "umlaut", "both"):
        other = figures.get(f"synapse_recall_{kind}")
        peer = f"Synapse's own search {other:.3f}" if other is not None else ""
        lines.append(
            f"found with {kind:8} {figures[f'recall_{kind}']:.3f}, on the first page within 10 km "
            f"{figures[f'recall_first_page_{kind}']:.3f}   {peer}"
        )
    return lines


def main() -> None:
    """Prints the table and the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter, under 50 s")
    parser.add_argument("--count", type=int, default=200_000, help="how many practices")
    arguments = parser.parse_args()
    if arguments.count < FEWEST:
        sys.exit(
            f"--count {arguments.count}: among so few practices hardly any combined search has {COUNT} hits; "
            f"allowed is {FEWEST} or more"
        )
    figures = asyncio.run(run(arguments.count, quick=arguments.quick))
    print("\n".join(table(figures)))  # noqa: T201 - what it is for
    print(json.dumps(figures))  # noqa: T201 - as above


if __name__ == "__main__":
    main()
