"""Free ports of this machine, kept for the next start."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Sequence
from pathlib import Path

HOST = "127.0.0.1"
# Below the range that the system takes for outgoing connections, so that none is taken between choosing and listening.
_FIRST, _LAST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _choose(taken: set[int]) -> int:
    while True:
        port = random.randrange(_FIRST, _LAST)  # noqa: S311 - not a secret
        if port not in taken and is_free(port):
            return port


def _read(path: Path) -> dict[str, int]:
    """The ports of the last start; a damaged file counts as none, since new ports do no harm."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in content.items() if isinstance(port, int)} if isinstance(content, dict) else {}


def keep_ports(names: Sequence[str], path: Path) -> dict[str, int]:
    """A free port a name: those of ``path`` where they are still free, new ones for the rest; written back."""
    kept = _read(path)
    ports: dict[str, int] = {}
    for name in names:
        port = kept.get(name)
        ports[name] = port if port is not None and is_free(port) else _choose({*ports.values(), *kept.values()})
    path.write_text(json.dumps(ports, indent=2) + "\n", encoding="utf-8")
    return ports
