"""Receives and relays one large file in a process of its own and says how much memory that took beyond the start.

``python -m tests.messenger_core.matrix.media_memory`` reads one JSON object from standard input and writes one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from messenger_core.database import make_engine
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.media.transfer import MediaTransfer
from messenger_core.matrix.store.media_ledger import MediaLedger
from tests.messenger_core.matrix.conftest import make_session_tables

ROOM = "!room:session.localhost"


def _memory(what: str) -> int:
    """``VmRSS`` (now) or ``VmHWM`` (the most so far) of this process, in bytes."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def _measure(order: Mapping[str, Any]) -> dict[str, Any]:
    async def token(_device_id: str) -> str:
        return str(order["token"])

    folder = Path(order["folder"])
    engine = make_engine(f"sqlite:///{folder}/memory.db")
    await make_session_tables(engine)
    calls = HomeserverCalls(order["url"], order["user_id"], "DEVICE", token, dict)
    await calls.connect()
    transfer = MediaTransfer(calls, MediaLedger(engine), folder / "spool", order["largest_file_bytes"])
    now = datetime.now(UTC)
    before = _memory("VmRSS")
    _forget_peak()
    found = hashlib.sha256()
    async with transfer.fetch(ROOM, order["content"], now) as file:
        async for piece in file.chunks():
            found.update(piece)
        received = _memory("VmHWM")
        relayed = await transfer.upload(ROOM, file, now)
    peak = _memory("VmHWM")
    await calls.close()
    await engine.dispose()
    return {
        "before": before,
        "additional_to_receive": received - before,
        "additional_to_relay": peak - before,
        "sha256": found.hexdigest(),
        "content": relayed,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_measure(json.load(sys.stdin)))))
