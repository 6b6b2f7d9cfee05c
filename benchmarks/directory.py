"""The directory's search with 200,000 practices: time, requests a second, and what misspelt names find.

``python benchmarks/directory.py [--quick]`` prints a table and, as its last line, one JSON object. Client and server
share the machine; aiohttp's answer to nothing (``hello``) in the same run is the limit of what is possible here. On a
machine that does other things as well, requests a second say little; ``cpu_ms_…`` is the processor time of the server
for one request, and ``hello`` beside it tells how fast the processor is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

# It is run as a file, so Python looks for modules beside it; what it measures lies one folder up.
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.directory_queries import CLASSES, Known, searches
from benchmarks.http_load import Load, load
from benchmarks.made_up_practices import practices
from benchmarks.synapse_people_search import synapse_figures

_CONNECTIONS = 32
_WRITES = 50


async def _answer(server: Process) -> dict[str, object]:
    assert server.stdout is not None
    found: dict[str, object] = json.loads(await server.stdout.readline())
    return found


class _Where(NamedTuple):
    """Where the directory and the plain answer to nothing are served, both by one process, and a token for it."""

    port: int
    hello_port: int
    token: str


async def _begun(server: Process) -> tuple[dict[str, float], _Where]:
    """What a server says of its index when it serves, and where it does."""
    told = await _answer(server)
    figures = told.pop("figures")
    assert isinstance(figures, dict)
    return figures, _Where(**told)  # type: ignore[arg-type]  # as the server says it


async def _writes(server: Process, per_second: int) -> None:
    assert server.stdin is not None
    server.stdin.write(f"writes {per_second}\n".encode())
    await server.stdin.drain()
    await _answer(server)


def _processor_s(server: Process) -> float:
    """The processor time that a process has taken."""
    fields = Path(f"/proc/{server.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _each_ms(load: Load, processor_s: float) -> float:
    return processor_s * 1000 / len(load.times_ms)


async def measured(server: Process, where: _Where, known: Known, *, quick: bool) -> dict[str, float]:
    """Times and requests a second of each class, with and without writes."""
    port, hello_port, token = where
    seconds, number = (1.0, 4_000) if quick else (5.0, 20_000)
    before = _processor_s(server)
    hello = await load(hello_port, ["/hello"], token=token, connections=_CONNECTIONS, seconds=seconds)
    figures = {"rps_hello": hello.per_second, "cpu_ms_hello": _each_ms(hello, _processor_s(server) - before)}
    paths = {kind: searches(kind, known, number) for kind in CLASSES}
    for kind in CLASSES:
        alone = await load(port, paths[kind], token=token, connections=1, seconds=seconds)
        before = _processor_s(server)
        many = await load(port, paths[kind][::-1], token=token, connections=_CONNECTIONS, seconds=seconds)
        figures[f"cpu_ms_{kind}"] = _each_ms(many, _processor_s(server) - before)
        figures |= {f"p50_ms_{kind}": alone.at(0.5), f"p99_ms_{kind}": alone.at(0.99), f"rps_{kind}": many.per_second}
        figures[f"p99_ms_{kind}_32"] = many.at(0.99)
    mixed = [path for group in zip(*paths.values(), strict=True) for path in group]
    quiet = await load(port, mixed, token=token, connections=_CONNECTIONS, seconds=seconds)
    await _writes(server, _WRITES)
    written = await load(port, mixed[::-1], token=token, connections=_CONNECTIONS, seconds=seconds)
    await _writes(server, 0)
    figures["rps_mixed"], figures["rps_mixed_with_writes"] = quiet.per_second, written.per_second
    figures["writes_cost"] = quiet.per_second / written.per_second
    return figures


async def run(count: int, *, quick: bool) -> dict[str, float]:
    """Everything, by name."""
    script = str(Path(__file__).with_name("directory_server.py"))
    server = await asyncio.create_subprocess_exec(
        sys.executable, script, "--count", str(count), stdin=PIPE, stdout=PIPE, limit=2**20
    )
    try:
        figures, where = await _begun(server)
        known = list(practices(min(count, 20_000)))
        figures |= await measured(server, where, known, quick=quick)
    finally:
        assert server.stdin is not None
        server.stdin.close()
        await server.wait()
    figures |= synapse_figures(list(practices(count // 10 if quick else count)), 100 if quick else 400)
    return {name: round(value, 4) for name, value in figures.items()}


def table(figures: Mapping[str, float]) -> list[str]:
    """The most important of it for people."""
    lines = [f"{'':12}{'p50 ms':>10}{'p99 ms':>10}{'requests/s':>14}{'processor ms':>14}"]
    lines.append(f"{'':12}{'one client':>20}{f'{_CONNECTIONS} connections':>28}")
    lines += [
        f"{kind:12}{figures[f'p50_ms_{kind}']:>10.2f}{figures[f'p99_ms_{kind}']:>10.2f}"
        f"{figures[f'rps_{kind}']:>14.0f}{figures[f'cpu_ms_{kind}']:>14.3f}"
        for kind in CLASSES
    ]
    lines.append(f"{'hello':32}{figures['rps_hello']:>14.0f}{figures['cpu_ms_hello']:>14.3f}")
    lines.append(f"with {_WRITES} writes a second readers get 1/{figures['writes_cost']:.2f} of the requests")
    lines.append(
        f"index: {figures['index_build_s']:.1f} s, {figures['index_memory_mb']:.0f} MiB; JSON of all services: "
        f"{figures['preparation_s']:.1f} s; the process {figures['process_memory_mb']:.0f} MiB"
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
    figures = asyncio.run(run(arguments.count, quick=arguments.quick))
    print("\n".join(table(figures)))  # noqa: T201 - what it is for
    print(json.dumps(figures))  # noqa: T201 - as above


if __name__ == "__main__":
    main()
