"""A practice pauses or withdraws at the directory: no new chat with it, running ones go on, and people are told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from messenger_core.catalogue import Catalogue
from sandbox.encrypted_client import EncryptedClient, Seen
from sandbox.headless_sign_in import sign_in
from sandbox.people import fresh_practice
from sandbox.practice_software import leave_directory, set_visibility
from sandbox.story.expectations import eventually
from sandbox.story.stage import JoinedPractice, Stage, open_stage

if TYPE_CHECKING:
    from tests.system.conftest import Sandbox


async def _reachable(stage: Stage, practice: JoinedPractice, *, wanted: bool) -> None:
    """Waits until the homeserver has heard of it."""

    async def heard() -> bool | None:
        return stage.tables.is_reachable(practice.user_id) is wanted or None

    await eventually(heard, "the homeserver did not learn of the practice's choice")


async def _write_to_each_other(room: str, *sides: EncryptedClient) -> None:
    for sender, receiver in (sides, sides[::-1]):
        sent = await sender.send_text(room, "Guten Tag.")
        await receiver.wait_for(partial(_is, sent), "a message")


def _is(event_id: str, seen: Seen) -> bool:
    return seen.event_id == event_id and seen.encrypted


@pytest.mark.parametrize("how", ["pauses", "withdraws"])
async def test_a_practice_that_takes_no_more_chats(sandbox: Sandbox, how: str) -> None:
    """Directory, homeserver, retention's service account, the person's client: all as they run."""
    async with open_stage(sandbox.directory) as stage:
        practice = await stage.practice_joins(fresh_practice(opts_in=True), "Hausarztpraxis Dr. Sommer")
        await _reachable(stage, practice, wanted=True)
        erika = await stage.open_client(await sign_in(stage.homeserver, stage.erika))
        other = await stage.open_client(await sign_in(stage.homeserver, stage.max))
        status, made = await erika.ask_for_chat(practice.user_id)
        assert status == 200, made
        room = made["room_id"]
        software = await stage.practice_client(practice)
        await software.join(room)
        await erika.wait_until_in(room, practice.user_id)

        if how == "pauses":
            await set_visibility(practice.practice, practice.key, directory=stage.ready.directory, visible=False)
        else:
            await leave_directory(practice.practice, practice.key, directory=stage.ready.directory)
        await _reachable(stage, practice, wanted=False)

        status, refused = await other.ask_for_chat(practice.user_id)
        assert (status, refused["errcode"]) == (403, "M_FORBIDDEN")
        assert refused["error"] == Catalogue.of("synapse_modules").line("room-not-reachable")
        service_room = await erika.wait_for_invitation(stage.ready.service_user)
        await erika.join(service_room)
        notice = await erika.wait_for(lambda seen: seen.room_id == service_room and room in seen.body, "the notice")
        assert notice.encrypted
        assert notice.sender == stage.ready.service_user
        await _write_to_each_other(room, erika, software)
