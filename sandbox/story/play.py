"""Plays the story: its steps in order, each timed and told; the first that fails ends it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from messenger_core.service_auth.client import CallFailed
from sandbox.encrypted_client import WaitedInVain
from sandbox.story import keeping_and_erasing, practice_chat, signing_in, support
from sandbox.story.expectations import Unexpected
from sandbox.story.stage import Stage, open_stage

Step = Callable[[Stage], Awaitable[str]]

STEPS: tuple[Step, ...] = (
    signing_in.erika_signs_in,
    signing_in.others_are_refused,
    practice_chat.practices_join,
    practice_chat.practice_is_found,
    practice_chat.chat,
    practice_chat.unreachable_people,
    support.erika_writes_to_hek,
    keeping_and_erasing.old_chat_is_left,
    keeping_and_erasing.support_is_erased,
    signing_in.membership_ends,
)


def play(directory: Path, as_json: bool) -> int:
    """Plays the story on the sandbox that runs in ``directory``.

    Args:
        directory: the sandbox's folder.
        as_json: one JSON object a step instead of lines for people.

    Returns:
        0 if all steps are as they should be, 1 otherwise.
    """
    return asyncio.run(_play(directory, as_json))


async def _play(directory: Path, as_json: bool) -> int:
    async with open_stage(directory) as stage:
        for number, step in enumerate(STEPS, start=1):
            started = time.monotonic()
            try:
                what, ok = await step(stage), True
            except (Unexpected, WaitedInVain, CallFailed, aiohttp.ClientError) as fault:
                what, ok = f"{step.__name__.replace('_', ' ')}: {fault}", False
            _tell(number, what, ok, time.monotonic() - started, as_json)
            if not ok:
                return 1
    return 0


def _tell(number: int, what: str, ok: bool, seconds: float, as_json: bool) -> None:
    if as_json:
        line = json.dumps({"step": number, "what": what, "ok": ok, "seconds": round(seconds, 2)}, ensure_ascii=False)
    else:
        line = f"{number:2}. {'ok    ' if ok else 'FAILED'} {what} ({seconds:.1f} s)"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
