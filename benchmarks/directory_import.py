"""How fast and with how much memory an export of the national directory is imported.

    python benchmarks/directory_import.py [--quick]

Imports made-up exports into a SQLite database of its own, each by the real command in a process of its own: a small
one, the whole one, the whole one again (nothing changed), and a delta of one entry in a hundred. Prints a table and, as
its last line, one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml

# It is run as a file, so Python looks for modules beside it; what it measures lies one folder up.
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.made_up_practices import practices
from benchmarks.watched_process import Usage, usage
from directory_service.adapters.specialty_file import read_specialties
from directory_service.rules.fhir.fragments import resource
from directory_service.rules.fhir.items import KINDS, items
from directory_service.rules.fhir.resources_shared import Wording
from messenger_core.service_auth.keys import generate_private_key, public_jwks, write_private_key

_KINDS_OF_FILE = ("Endpoint", "HealthcareService", "Location", "Organization", "Practitioner", "PractitionerRole")
_SMALL = 2_000


@dataclass(frozen=True, slots=True)
class Measured:
    """One import: how long it took, on the clock and of a processor, and the most memory that its process held."""

    seconds: float
    processor_s: float
    peak_mb: float


def _resources(count: int, *, renamed_each: int | None = None) -> Iterator[dict[str, Any]]:
    wording = Wording(read_specialties(), closed="Geschlossen", absent="Abwesend", substitute="Vertretung: {who}")
    for number, (practice, _) in enumerate(practices(count)):
        if renamed_each is not None and number % renamed_each:
            continue
        for kind in KINDS:
            for item in items(kind, practice):
                made = resource(item, wording)
                if renamed_each is not None and kind == "Organization":
                    made["name"] += " (neu)"
                yield made


def _write_export(folder: Path, name: str, made: Iterator[dict[str, Any]]) -> list[Path]:
    """One file a kind, as exports have it: what belongs together stands far apart."""
    folder.mkdir()
    files = {kind: (folder / f"{name}-{kind}.ndjson").open("wb") for kind in _KINDS_OF_FILE}
    for one in made:
        files[one["resourceType"]].write(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE))
    for file in files.values():
        file.close()
    return sorted(folder.iterdir())


def _settings(folder: Path) -> Path:
    folder.mkdir()
    key = generate_private_key()
    write_private_key(key, folder / "key.jwk")
    (folder / "jwks.json").write_text(json.dumps(public_jwks(key)), encoding="utf-8")
    url = "http://127.0.0.1:1"
    settings = {
        "listen": {"host": "127.0.0.1", "port": 1},
        "public_url": url,
        "database": f"sqlite:///{folder}/directory.db",
        "signing_key_file": str(folder / "key.jwk"),
        "homeserver": {"url": url, "key_file": str(folder / "key.jwk")},
        "homeserver_clients": [
            {"client_id": "homeserver", "jwks_file": str(folder / "jwks.json"), "scopes": ["reachability:read"]}
        ],
        "ownership_verifiers": [{"issuer": "https://made-up.example", "jwks_file": str(folder / "jwks.json")}],
        "server_names": {"insured.example": url},
        "pages": {"sign_in_provider": "oidc-made-up"},
        "opt_out_model": True,
    }
    file = folder / "directory.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return file


def _import(settings: Path, files: list[Path], *more: str) -> Measured:
    command = [sys.executable, "-m", "directory_service", "--config", str(settings), "import", *more, *map(str, files)]
    started, used = time.perf_counter(), Usage(0, 0)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603 - our own command
        while process.poll() is None:
            try:
                used = usage(process.pid)
            except (OSError, StopIteration):
                break  # it ends just now
            time.sleep(0.05)
        _, shown = process.communicate()
        if process.returncode:
            raise SystemExit(shown.decode())
    return Measured(time.perf_counter() - started, used.processor_s, used.peak_mb)


def _measured(label: str, entries: int, settings: Path, files: list[Path], *more: str) -> Measured:
    """Measures one import, and prints its row at once: the whole takes minutes."""
    measured = _import(settings, files, *more)
    row = f"{label:24}{measured.seconds:10.1f}{measured.processor_s:13.1f}"
    row += f"{entries / measured.seconds:12.0f}{measured.peak_mb:10.0f}"
    print(row, flush=True)  # noqa: T201
    return measured


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="15,000 entries instead of 300,000")
    count = 15_000 if parser.parse_args().quick else 300_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export = _write_export(folder / "export", "export", _resources(count))
        changes = _write_export(folder / "delta", "delta", _resources(count, renamed_each=100))
        small = _write_export(folder / "small", "small", _resources(_SMALL))
        small_settings, settings = _settings(folder / "of-the-small"), _settings(folder / "whole")
        print(f"{'':24}{'seconds':>10}{'processor s':>13}{'entries/s':>12}{'peak MiB':>10}")  # noqa: T201 - what it is run for
        little = _measured(f"{_SMALL} entries", _SMALL, small_settings, small)
        whole = _measured(f"{count} entries", count, settings, export)
        again = _measured("the same again", count, settings, export)
        delta = _measured("a delta", count // 100, settings, changes, "--delta")
        size_mb = (folder / "whole/directory.db").stat().st_size / 1024**2
    figures = {
        "entries": count,
        "entries_per_s": round(count / whole.seconds),
        "entries_per_processor_s": round(count / whole.processor_s),
        "again_per_s": round(count / again.seconds),
        "delta_s": round(delta.seconds, 1),
        "peak_mb": round(whole.peak_mb),
        "peak_mb_small": round(little.peak_mb),
        "database_mb": round(size_mb),
    }
    print(json.dumps(figures))  # noqa: T201


if __name__ == "__main__":
    main()
