"""How fast the nightly file of ended memberships is taken, and whether memory stays flat: a real homeserver, SQLite.

``--quick`` sends 20,000 rows instead of 500,000.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.watched_process import usage
from messenger_core.calendar_periods import berlin_day
from messenger_core.identifiers import kvnr_check_digit
from tests.synapse_modules.homeserver_under_test import REPOSITORY, Homeserver, running_homeserver

_ROWS, _QUICK_ROWS = 500_000, 20_000
_LOOK_EVERY_S = 0.2


def _rows(count: int) -> Iterator[str]:
    chance = random.Random(7)  # noqa: S311 - not a secret
    first = berlin_day(datetime.now(UTC)) + timedelta(days=1)
    for number in range(count):
        digits = f"{number:08d}"
        on = first + timedelta(days=chance.randrange(60))
        row = {"kvnr": f"K{digits}{kvnr_check_digit('K', digits)}", "on": on.isoformat(), "reason": "insurer-switch"}
        yield json.dumps(row) + "\n"


def _send(homeserver: Homeserver, path: Path) -> dict[str, Any]:
    config = path.with_name("tools.yaml")
    settings = {"url": homeserver.base, "client_id": "core-system", "key_file": f"{homeserver.folder}/core-system.jwk"}
    config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "homeserver_tools", "membership-file", str(path), "--config", str(config)]
    begun = time.monotonic()
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)  # noqa: S603 - our own command
    peaks = [0.0]

    def watch() -> None:
        while process.poll() is None:
            try:
                peaks.append(usage(process.pid).peak_mb)
            except (OSError, StopIteration):
                return
            time.sleep(_LOOK_EVERY_S)

    watching = threading.Thread(target=watch)
    watching.start()
    out, _ = process.communicate()
    watching.join()
    assert process.returncode == 0
    assert homeserver.process is not None
    took = time.monotonic() - begun
    rows = json.loads(out)["rows"]
    return {
        "rows": rows,
        "seconds": round(took, 1),
        "rows_per_second": round(rows / took),
        "command_peak_mb": round(max(peaks), 1),
        "homeserver_peak_mb": round(usage(homeserver.process.pid).peak_mb, 1),
    }


def main(rows: int) -> None:
    """Sends a tenth of the rows, then all of them, then all of them again; prints a table and the figures as JSON."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        server = Path(folder, "homeserver")
        server.mkdir()
        with running_homeserver(server) as homeserver:
            for name, count in (("a tenth", rows // 10), ("all", rows), ("all again", rows)):
                path = Path(folder, "ends.ndjson")
                with path.open("w") as file:
                    file.writelines(_rows(count))
                figures[name] = _send(homeserver, path)
    columns = list(figures["all"])
    print(f"{'':12}" + "".join(f"{column:>20}" for column in columns))  # noqa: T201
    for name, found in figures.items():
        print(f"{name:12}" + "".join(f"{found[column]:>20}" for column in columns))  # noqa: T201
    growth = figures["all again"]["command_peak_mb"] / figures["a tenth"]["command_peak_mb"]
    print(json.dumps({"runs": figures, "command_memory_growth": round(growth, 3)}))  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    main(_QUICK_ROWS if parser.parse_args().quick else _ROWS)
