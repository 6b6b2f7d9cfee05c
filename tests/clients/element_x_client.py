"""Element X's own core in a process of its own: the library that the apps are built on, installed here."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import lacking

_FOLDER = Path(__file__).parent / "element_x"
_WANTED = _FOLDER / "requirements.txt"
_WAIT_S = 120.0
_LONGEST_LINE = 2**20
_VERSION = b"GLIBC_2.38"
_WEAK = 2


class ElementXFault(Exception):  # noqa: N818 - reads as what happened
    """The client refused a command; the text is the library's."""


@cache
def installed_element_x() -> dict[str, str]:
    """The environment in which the program runs; skips where the library does not load."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("Element X's core is tried on Linux with x86-64 alone")
    packages = _FOLDER / ".packages"
    stamp, shim = packages / ".made-for", packages / "newer_libc.so"
    wanted = hashlib.sha256(_WANTED.read_bytes()).hexdigest()
    with _WANTED.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(packages, ignore_errors=True)
            packages.mkdir()
            _install(packages, shim)
            stamp.write_text(wanted)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return environment | {"PYTHONPATH": str(packages), "LD_PRELOAD": str(shim)}


def _install(packages: Path, shim: Path) -> None:
    version = f"{sys.version_info.major}{sys.version_info.minor}"
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    download += ["--only-binary=:all:", "--platform", "manylinux_2_38_x86_64", "--python-version", version]
    _run([*download, "--dest", str(packages), "--requirement", str(_WANTED)])
    [wheel] = packages.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    wheel.unlink()
    [library] = packages.glob("matrix_sdk_python/_generated/*.so")
    library.write_bytes(_without_need_of_newer_libc(library.read_bytes()))
    compiler = shutil.which("gcc") or lacking("gcc (Debian package gcc), for Element X's core")
    _run([compiler, "-shared", "-fPIC", "-O1", "-o", str(shim), str(_FOLDER / "newer_libc.c")])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode != 0:
        lacking(f"Element X's core (it could not be installed, the network is needed once: {done.stderr.strip()})")


def _without_need_of_newer_libc(library: bytes) -> bytes:
    """Marks the one version that Debian 12's libc lacks as not needed (ELF, ``vna_flags``: ``VER_FLG_WEAK``)."""
    number = 0
    for letter in _VERSION:
        number = (number << 4) + letter
        high = number & 0xF0000000
        number = (number ^ (high >> 24)) & ~high & 0xFFFFFFFF
    entry = library.find(struct.pack("<IH", number, 0))
    return library[: entry + 4] + struct.pack("<H", _WEAK) + library[entry + 6 :]


class ElementX:
    """A phone; ``run_element_x`` starts it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, what: str, **more: Any) -> dict[str, Any]:
        """Has the client do something.

        Raises:
            ElementXFault: if it refuses.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what} | more).encode() + b"\n")
        await self._process.stdin.drain()
        line = await asyncio.wait_for(self._process.stdout.readline(), _WAIT_S)
        answer: dict[str, Any] = json.loads(line)
        if "fault" in answer:
            raise ElementXFault(answer["fault"])
        return answer


@asynccontextmanager
async def run_element_x(homeserver: str, folder: Path, certificate: Path) -> AsyncIterator[ElementX]:
    """A phone with an empty store.

    Args:
        homeserver: its https address.
        folder: for its store.
        certificate: of whom it trusts, DER.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_FOLDER / "program.py"),
        homeserver,
        str(folder),
        str(certificate),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=installed_element_x(),
        limit=_LONGEST_LINE,
    )
    try:
        yield ElementX(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
