"""The outbox's worker: lanes by themselves, each in order, until the homeserver took it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.bridge_bot.scene import ERIKA, HERS, MAX, Scene


async def _until_said(scene: Scene, room: str, text: str) -> None:
    while not any(text in body for body in scene.said_in(room)):  # noqa: ASYNC110 - the recorded account has no event
        await asyncio.sleep(0.01)


async def test_a_lane_that_is_refused_holds_no_other_one_up_and_goes_on_later(scene: Scene) -> None:
    theirs = "!max:hek.localhost"
    for room, person in ((HERS, ERIKA), (theirs, MAX)):
        scene.fit_room(room, person)
        await scene.invited(room, person)
    scene.account.refusing.add(HERS)
    working = asyncio.create_task(scene.messenger.courier.run())
    try:
        for room, person in ((HERS, ERIKA), (theirs, MAX)):
            await scene.receive(room, person, {"msgtype": "m.text", "body": "1"})
        await asyncio.wait_for(_until_said(scene, theirs, "Ihr Anliegen: Krankengeld"), 60)
        scene.account.refusing.clear()
        await asyncio.wait_for(_until_said(scene, HERS, "Ihr Anliegen: Krankengeld"), 60)
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
