"""Steps 1, 2 and 10: who gets in, who does not, and how access ends."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

import aiohttp

from messenger_core.calendar_periods import berlin_day
from sandbox.headless_sign_in import sign_in
from sandbox.people import OTHER_IK, fresh_person
from sandbox.story.expectations import expect
from sandbox.story.stage import Stage

WHOAMI = "/_matrix/client/v3/account/whoami"


async def erika_signs_in(stage: Stage) -> str:
    """Step 1: two devices sign in through GesundheitsID; checked in the homeserver's database."""
    first = await sign_in(stage.homeserver, stage.erika, "STORYPHONE")
    second = await sign_in(stage.homeserver, stage.erika, "STORYTABLET")
    expect(first.user_id == second.user_id, "the same person must find the same account")
    known_parts = {stage.erika.kvnr.lower(), *stage.erika.display_name.lower().split()}
    expect(not any(part in first.user_id.lower() for part in known_parts), "the account's name must be a pseudonym")
    expect(
        stage.tables.display_name(first.user_id) == stage.erika.display_name,
        "the display name must be the verified one",
    )
    expect(
        stage.tables.devices(first.user_id) == {"STORYPHONE", "STORYTABLET"}, "the account must have these two devices"
    )
    expect(not stage.tables.holds(stage.erika.kvnr), "the KVNR must not stand in clear in the database")
    stage.phone = await stage.open_client(first)
    stage.tablet = await stage.open_client(second)
    return "Erika signed in twice with her GesundheitsID; her account is a pseudonym with her verified name."


async def others_are_refused(stage: Stage) -> str:
    """Step 2: Otto, Lena and a plain registration are refused with the reason; checked in the homeserver's tables."""
    otto = await stage.add_person(fresh_person("Otto", ik=OTHER_IK))
    lena = await stage.add_person(fresh_person("Lena", high=False))
    accounts = stage.tables.count_accounts()
    otto_reads = await stage.refusal_of(otto)
    expect("HEK" in otto_reads and "versichert" in otto_reads, "Otto must read that he is not insured with HEK")
    lena_reads = await stage.refusal_of(lena)
    expect("GesundheitsID" in lena_reads and lena_reads != otto_reads, "Lena must read why her sign-in is too weak")
    async with aiohttp.ClientSession() as http:
        address = f"{stage.homeserver}/_matrix/client/v3/register"
        body = {"username": "somebody", "password": "correct horse battery staple", "auth": {"type": "m.login.dummy"}}
        async with http.post(address, json=body) as answer:
            expect(answer.status == 403, f"a plain registration must be refused; it answered {answer.status}")
            expect((await answer.json())["errcode"] == "M_FORBIDDEN", "the refusal needs its error code")
    expect(stage.tables.count_accounts() == accounts, "a refusal must create nothing")
    return "Otto (insured elsewhere), Lena (weak sign-in) and a plain registration were refused; nothing was created."


async def membership_ends(stage: Stage) -> str:
    """Step 10: the core system ends the membership; checked with both devices and by the practice."""
    today = berlin_day(datetime.now(UTC)).isoformat()
    ended = {"kvnr": stage.erika.kvnr, "on": today, "reason": "insurer-switch"}
    status = await stage.core_system_calls("/v1/memberships/end", ended)
    expect(status == 200, f"the membership's end was answered with {status}")
    for device in (stage.phone, stage.tablet):
        status, _ = await device.call("GET", WHOAMI)
        expect(status == 401, f"her devices must get 401; one got {status}")
        path = f"/_matrix/client/v3/rooms/{quote(stage.care_room)}/messages?dir=b"
        status, _ = await device.call("GET", path)
        expect(status == 401, f"her histories must be out of reach; one device got {status}")
    reads = await stage.refusal_of(stage.erika)
    expect("HEK" in reads, "she must read why she cannot sign in again")
    messages = await stage.messages(stage.sommer_client, stage.care_room)
    expect(
        sum(message["type"] == "m.room.encrypted" and bool(message["content"]) for message in messages) >= 6,
        "the practice must still have its chat",
    )
    file = next(seen for seen in stage.sommer_client.seen if seen.content.get("body") == "Dokument.pdf")
    expect(await stage.sommer_client.fetch_file(file), "the practice must still have the files")
    return "The core system ended the membership: both devices get 401, no new sign-in; the practice keeps its chat."
