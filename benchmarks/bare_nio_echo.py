"""The bare loop that the session is measured beside: matrix-nio as its own examples use it, which only echoes.

``python -m benchmarks.bare_nio_echo CONFIG.json``. It keeps no journal, and what a kill interrupts is lost.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import nio

from tests.system.nothing_lost import conversation


async def echo(config: dict[str, str]) -> None:
    """Joins every room and answers every message, until it is ended."""
    client = nio.AsyncClient(
        config["homeserver"],
        config["user_id"],
        device_id=config["device_id"],
        store_path=config["store"],
        config=nio.AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True),
    )
    client.restore_login(config["user_id"], config["device_id"], config["access_token"])

    async def answer(room: nio.MatrixRoom, event: nio.RoomMessageText) -> None:
        content = conversation.answer_to(event.event_id, event.source["content"])
        if content is not None and event.sender != client.user_id:
            await client.room_send(room.room_id, "m.room.message", content, ignore_unverified_devices=True)

    async def join(room: nio.MatrixRoom, _: Any) -> None:
        await client.join(room.room_id)

    client.add_event_callback(answer, nio.RoomMessageText)
    client.add_event_callback(join, nio.InviteMemberEvent)
    await client.sync_forever(timeout=30_000, full_state=True)


if __name__ == "__main__":
    asyncio.run(echo(json.loads(Path(sys.argv[1]).read_text())))
