"""The durable session beside a bare matrix-nio loop: echoes a second, start-up and memory with many rooms.

``python benchmarks/session_throughput.py [--quick]`` prints a table and, as its last line, one JSON object. Clients
and homeserver (a real Synapse on SQLite) share the machine with what is measured: the figures compare, no more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

# It is run as a file, so Python looks for modules beside it; what it measures lies one folder up.
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.echo_rounds import Side, compare
from benchmarks.start_up import StartUp, measure_start

_SIZES = (1_000, 10_000)


def figures(session: Side, bare: Side, starts: Mapping[int, StartUp]) -> dict[str, float]:
    """All figures by their names; what is a time has its unit in its name."""
    found = {
        "throughput_ratio": session.messages_per_s / bare.messages_per_s,
        "session_messages_per_s": session.messages_per_s,
        "bare_nio_messages_per_s": bare.messages_per_s,
        "session_processor_ms_per_message": session.processor_ms,
        "bare_nio_processor_ms_per_message": bare.processor_ms,
    }
    for rooms, start in starts.items():
        found |= {
            f"startup_s_{rooms}": start.first_s,
            f"restart_s_{rooms}": start.again_s,
            f"memory_mb_{rooms}": start.memory_mb,
            f"restart_memory_mb_{rooms}": start.memory_again_mb,
        }
    return {name: round(value, 3) for name, value in found.items()}


def table(session: Side, bare: Side, starts: Mapping[int, StartUp]) -> Iterator[str]:
    """The same for people, with every round."""
    yield f"{'':34}{'session':>12}{'bare nio':>12}"
    for place, (ours, theirs) in enumerate(zip(session.rounds, bare.rounds, strict=True), 1):
        yield f"{f'round {place}: echoes a second':34}{ours.messages_per_s:>12.1f}{theirs.messages_per_s:>12.1f}"
    yield f"{'median: echoes a second':34}{session.messages_per_s:>12.1f}{bare.messages_per_s:>12.1f}"
    yield f"{'processor time of one, in ms':34}{session.processor_ms:>12.1f}{bare.processor_ms:>12.1f}"
    yield ""
    yield f"{'rooms':>8}{'first start':>14}{'of it, waiting':>16}{'next start':>12}{'memory':>12}{'next start':>12}"
    for rooms, start in starts.items():
        yield (
            f"{rooms:>8}{start.first_s:>12.1f} s{start.answer_s:>14.1f} s{start.again_s:>10.1f} s"
            f"{start.memory_mb:>8.0f} MiB{start.memory_again_mb:>8.0f} MiB"
        )
    yield "(rooms: a stand-in homeserver with 30 messages a room; Synapse itself would take long to make them)"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter and fewer rounds, under 50 s")
    quick = parser.parse_args().quick
    with TemporaryDirectory(prefix="session-throughput-") as name:
        folder = Path(name)
        echoes = folder / "echoes"
        echoes.mkdir()
        session, bare = asyncio.run(compare(echoes, rounds=2 if quick else 5, seconds=2 if quick else 10))
        starts = {}
        for rooms in _SIZES:
            size_folder = folder / str(rooms)
            size_folder.mkdir()
            starts[rooms] = measure_start(size_folder, rooms, watch_s=0.3 if quick else 10)
    sys.stdout.write("\n".join((*table(session, bare, starts), "", json.dumps(figures(session, bare, starts)), "")))


if __name__ == "__main__":
    main()
