"""Steps 8 and 9: the offer after six months, and the erasure after five years."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote

from messenger_core.calendar_periods import berlin_day
from sandbox.story.expectations import eventually, expect
from sandbox.story.stage import Stage


def a_day_after(*, months: int) -> str:
    """The day after the one that lies ``months`` calendar months ahead, in Germany."""
    today = berlin_day(datetime.now(UTC))
    year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
    day = min(today.day, calendar.monthrange(year, month + 1)[1])
    return (date(year, month + 1, day) + timedelta(days=1)).isoformat()


async def old_chat_is_left(stage: Stage) -> str:
    """Step 8: she is offered to leave and accepts; gone for her, kept by the practice."""
    erika, practice, room = stage.phone, stage.sommer_client, stage.care_room
    before = len(await stage.messages(practice, room))
    await stage.run_component("retention", "--future", "--as-of", a_day_after(months=6))
    service_room = await erika.wait_for_invitation(stage.ready.service_user)
    await erika.join(service_room)
    offer = await erika.wait_for(lambda seen: seen.room_id == service_room and "VERLASSEN" in seen.body, "the offer")
    expect(offer.encrypted and "export" in offer.body.lower(), "the offer must tell her how to export first")
    await erika.send_text(service_room, "VERLASSEN")

    async def gone() -> bool | None:
        status, _ = await erika.call("GET", f"/_matrix/client/v3/rooms/{quote(room)}/messages?dir=b")
        return status == 403 or None

    await eventually(gone, "the chat is still readable for her")
    _, joined = await stage.tablet.call("GET", "/_matrix/client/v3/joined_rooms")
    expect(room not in joined["joined_rooms"], "the chat must be gone on her other device too")
    after = await stage.messages(practice, room)
    expect(len(after) >= before, "the practice must keep the conversation")
    expect(any(seen.body == "Dokument.pdf" for seen in practice.seen), "the practice must keep the files")
    return "Half a year later Erika was offered to leave the old chat; it is gone for her, the practice keeps it."


async def support_is_erased(stage: Stage) -> str:
    """Step 9: five years later the conversation is gone from both sides, the homeserver's database and its media."""
    agent, rooms = await stage.agent_client("berg"), (stage.support_room, stage.team_room)
    media = stage.media_of(stage.phone.seen + agent.seen, rooms)
    expect(len(media) >= 2, "both copies of her file should be known before they are erased")
    expect(all(stage.tables.media_files(mxc) for mxc in media), "both copies should lie in the media store before")
    await stage.run_component("retention", "--future", "--as-of", a_day_after(months=60))
    for room in rooms:
        expect(stage.tables.count_messages(room) == 0, "a message is left in the homeserver's database")
    for mxc in media:
        expect(not stage.tables.media_files(mxc), "a file is left in the media store")
        expect(not stage.tables.knows_media(mxc), "a file is left in the homeserver's database")
        status, _ = await stage.phone.call("GET", f"/_matrix/client/v1/media/download/{mxc.removeprefix('mxc://')}")
        expect(status == 404, f"a file can still be asked for: {status}")
    for client, room in ((stage.phone, stage.support_room), (agent, stage.team_room)):
        left = [message for message in await stage.messages(client, room) if message["type"] == "m.room.encrypted"]
        expect(not left, "a message is still in the room's history")
    expect(not any(map(stage.bot_holds, rooms)), "the bot still holds a message")
    expect(stage.tables.count_messages(stage.care_room) > 0, "the practice's chat is not the insurer's to erase")
    return "Five years later the support conversation is gone: both sides, database, media store and the bot."
