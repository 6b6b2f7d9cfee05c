"""``python -m tests.clocks [pytest's arguments]``: the tests once at each moment, the system tests left out."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.clocks.moments import BERLIN, Moment, moments, moments_of_the_day

_SHIFTED = Path(__file__).parent / "shifted"
# The system tests, and the attacks on running systems, which are about loads and waits.
_LEFT_OUT = ("--ignore=tests/system", "--ignore=tests/security")


def environment_at(moment: datetime) -> dict[str, str]:
    """The environment in which every Python takes now for that moment."""
    # This process may have a shifted clock itself.
    shift_s = (moment - datetime.now(UTC)).total_seconds() + float(os.environ.get("CLOCK_SHIFT_S", "0"))
    path = os.pathsep.join(filter(None, (str(_SHIFTED), os.environ.get("PYTHONPATH"))))
    return os.environ | {"CLOCK_SHIFT_S": f"{shift_s:.3f}", "PYTHONPATH": path}


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _passes_at(moment: Moment, arguments: list[str]) -> bool:
    _say(f"\n== {moment.name}: {moment.starts_at.astimezone(BERLIN):%a %d %b %Y %H:%M %Z}")
    # What time-machine gives to tests is not needed, and pytest complains that it was loaded before.
    command = [sys.executable, "-m", "pytest", "-p", "no:time_machine", *_LEFT_OUT, *arguments]
    return subprocess.run(command, env=environment_at(moment.starts_at), check=False).returncode == 0


def main(arguments: list[str]) -> int:
    """Runs the tests and says at which moments they fail; exit code 1 if at any."""
    parser = argparse.ArgumentParser(prog="python -m tests.clocks", description=__doc__)
    parser.add_argument("--today", action="store_true", help="only at two moments, others each day")
    parser.add_argument("--moment", default="", metavar="WORDS", help="only where these words are in a moment's name")
    chosen, of_pytest = parser.parse_known_args(arguments)
    today = datetime.now(BERLIN).date()
    of_today = moments_of_the_day(today) if chosen.today else moments(today)
    tried = [moment for moment in of_today if chosen.moment in moment.name]
    failed = [moment.name for moment in tried if not _passes_at(moment, of_pytest or ["-q", "-n", "2"])]
    _say(f"\n{len(tried) - len(failed)} of {len(tried)} moments passed", *(f"  failed: {name}" for name in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
