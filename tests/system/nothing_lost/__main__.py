"""The long proof: ``python -m tests.system.nothing_lost [--seed N]``, what ``make soak`` runs."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from tests.system.nothing_lost.ordeal import Ordeal, Scale


def chosen_run(arguments: Sequence[str]) -> tuple[Scale, int]:
    """The scale and the seed of the run that a command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.nothing_lost", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of the kills; a run can so be repeated")
    parser.add_argument("--messages", type=int, default=5000, help="that the clients send; each is answered")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rooms", type=int, default=6)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--own-a-room", type=int, default=None, help="messages that the service sends by itself")
    parser.add_argument("--pause", type=float, default=0.5, help="between two of these, in seconds")
    chosen = parser.parse_args(arguments)
    scale = Scale(
        messages=chosen.messages,
        own_a_room=chosen.messages // chosen.rooms // 5 if chosen.own_a_room is None else chosen.own_a_room,
        own_pause_s=chosen.pause,
        kills=chosen.kills,
        rooms=chosen.rooms,
        clients=chosen.clients,
    )
    return scale, secrets.randbelow(1_000_000) if chosen.seed is None else chosen.seed


def main() -> int:
    """Runs it, shows how far it is, and prints the result; a run that found something keeps its folder."""
    scale, seed = chosen_run(sys.argv[1:])
    folder = Path(mkdtemp(prefix="nothing-lost-"))
    started = time.monotonic()

    def tell(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:6.0f} s  {line}\n")
        sys.stdout.flush()

    tell(f"seed {seed}: {scale.messages} messages and their answers, {scale.kills} kills, in {folder}")
    outcome = asyncio.run(Ordeal(folder, scale, seed, tell).run())
    sys.stdout.write("\n".join(("", *outcome.lines(), "")))
    if not outcome.faultless:
        sys.stdout.write(f"Something went wrong; all of it lies in {folder}. Again: {scale.again(seed)}\n")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
