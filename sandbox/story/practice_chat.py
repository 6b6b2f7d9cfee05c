"""Steps 3 to 6: a practice joins, is found, is asked for a chat, and chats; who cannot be reached stays unreachable."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from sandbox.encrypted_client import EncryptedClient, Seen
from sandbox.headless_sign_in import sign_in
from sandbox.people import fresh_practice
from sandbox.story import specimens
from sandbox.story.expectations import eventually, expect
from sandbox.story.stage import Stage, unique

SEARCH = "/_matrix/client/v3/user_directory/search"


@dataclass(frozen=True, slots=True)
class _Letter:
    """What one side sends: a text, a PDF and a picture."""

    text: str
    pdf: bytes
    picture: bytes


# Shaped as a client would send it; it must never get as far as being read.
_CIPHERTEXT = {
    "algorithm": "m.megolm.v1.aes-sha2",
    "sender_key": "A" * 43,
    "ciphertext": "A" * 64,
    "session_id": "A" * 43,
    "device_id": "STORYPHONE",
}
_FINDING = _Letter("Guten Tag, hier ist mein Befund.", specimens.pdf("Befund"), specimens.png(200, 30, 30))
_PRESCRIPTION = _Letter("Danke, das Rezept liegt bereit.", specimens.pdf("Rezept"), specimens.png(30, 30, 200))


async def practices_join(stage: Stage) -> str:
    """Step 3: two practices join with their keys; only the first opts in. Checked in the homeserver's database."""
    stage.sommer = await stage.practice_joins(fresh_practice(opts_in=True), "Hausarztpraxis Dr. Sommer")
    stage.winter = await stage.practice_joins(fresh_practice(opts_in=False), "Hausarztpraxis Dr. Winter")

    async def reachable() -> bool | None:
        return stage.tables.is_reachable(stage.sommer.user_id) or None

    await eventually(reachable, "the homeserver did not learn that the practice may be reached")
    expect(not stage.tables.is_reachable(stage.winter.user_id), "the other practice must not be reachable")
    return "Practice software of Hausarztpraxis Dr. Sommer joined with its key and opted in; Dr. Winter's only joined."


async def practice_is_found(stage: Stage) -> str:
    """Step 4: Erika finds the first and not the second, by her client's search and through FHIR."""
    erika = stage.phone
    status, found = await erika.call("POST", SEARCH, {"search_term": "hausarzt hamburg", "limit": 50})
    expect(status == 200, f"the search answered {status}")
    users = {result["user_id"]: result["display_name"] for result in found["results"]}
    expect(stage.sommer.user_id in users, "the client's search must find the practice that opted in")
    expect("Hamburg" in users[stage.sommer.user_id], "the result must say where the practice is")
    expect(stage.winter.user_id not in users, "the client's search must not find the other practice")

    token = await stage.search_token(erika)
    bundle = await stage.fhir_search(token, {"_text": "hausarzt hamburg", "_include": "*", "_count": "100"})
    addresses = {
        entry["resource"].get("address") for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Endpoint"
    }
    expect(_matrix_uri(stage.sommer.user_id) in addresses, "FHIR must find the practice that opted in")
    expect(_matrix_uri(stage.winter.user_id) not in addresses, "FHIR must not find the other practice")
    return "Erika finds Dr. Sommer by “hausarzt hamburg” in her client and through FHIR; Dr. Winter she does not find."


def _matrix_uri(user_id: str) -> str:
    return f"matrix:u/{user_id[1:]}"


async def chat(stage: Stage) -> str:
    """Step 5: a chat is asked for, accepted, and used; checked by the other side's client and the homeserver's rows."""
    erika = stage.phone
    status, answer = await erika.ask_for_chat(stage.sommer.user_id)
    expect(status == 200, f"asking for a chat answered {status} {answer.get('errcode')}")
    room = stage.care_room = answer["room_id"]
    await erika.wait_until_in(room)
    status, answer = await erika.call(
        "PUT", f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.encrypted/early", _CIPHERTEXT
    )
    expect(status == 403, f"before the practice accepted, sending must be refused; it answered {status}")
    expect(answer["errcode"] == "M_FORBIDDEN", "the refusal needs its error code")

    practice = stage.sommer_client = await stage.practice_client(stage.sommer)
    expect(await practice.wait_for_invitation(erika.signed_in.user_id) == room, "the invitation is for another room")
    await practice.join(room)
    await erika.wait_until_in(room, practice.signed_in.user_id)
    await stage.tablet.wait_until_in(room, practice.signed_in.user_id)

    await _exchange(erika, practice, room, _FINDING)
    await _exchange(practice, erika, room, _PRESCRIPTION)
    await stage.tablet.wait_for(lambda seen: seen.body.startswith("Danke"), "the answer on Erika's second device")

    slip = await erika.send_text(room, "Diese Nachricht war ein Versehen.")
    await practice.wait_for(lambda seen: seen.event_id == slip, "the message that is deleted next")
    status, answer = await erika.call(
        "PUT", f"/_matrix/client/v3/rooms/{quote(room)}/redact/{quote(slip)}/{unique()}", {}
    )
    expect(status == 200, f"deleting an own message answered {status} {answer.get('errcode')}")
    await practice.wait_for(lambda seen: seen.redacts == slip, "the deletion on the practice's side")
    status, event = await practice.call("GET", f"/_matrix/client/v3/rooms/{quote(room)}/event/{quote(slip)}")
    expect(status == 200 and not event["content"], "the practice must see the message deleted")
    expect(event["unsigned"]["redacted_because"]["sender"] == erika.signed_in.user_id, "it must see who deleted it")

    kinds = stage.tables.message_types(room)
    expect(kinds == {"m.room.encrypted", "m.room.redaction"}, f"on the wire there must be megolm alone, not {kinds}")
    return "Sending was refused until the practice accepted; then text, PDF and picture went both ways, encrypted."


async def _exchange(sender: EncryptedClient, receiver: EncryptedClient, room: str, letter: _Letter) -> None:
    """Sends text, a PDF and a picture, and compares what arrives, byte by byte."""
    written = await sender.send_text(room, letter.text)
    files = {
        await sender.send_file(room, letter.pdf, "Dokument.pdf", "application/pdf"): letter.pdf,
        await sender.send_file(room, letter.picture, "Bild.png", "image/png"): letter.picture,
    }
    arrived = await receiver.wait_for(lambda seen: seen.event_id == written, "a text")
    expect(arrived.encrypted and arrived.body == letter.text, "the text must arrive decrypted and unchanged")
    for event_id, data in files.items():
        seen = await receiver.wait_for(partial(_is, event_id), "a file")
        expect(await receiver.fetch_file(seen) == data, "a file must arrive unchanged")


def _is(event_id: str, seen: Seen) -> bool:
    return seen.event_id == event_id


async def unreachable_people(stage: Stage) -> str:
    """Step 6: neither Max nor the practice that did not opt in can be reached; checked in their own sync."""
    erika = stage.phone
    max_client = await stage.open_client(await sign_in(stage.homeserver, stage.max))
    winter_client = await stage.practice_client(stage.winter)
    rooms = stage.tables.count_rooms()
    answers = []
    for user_id in (max_client.signed_in.user_id, winter_client.signed_in.user_id):
        status, answer = await erika.ask_for_chat(user_id)
        expect(status == 403, f"asking for that chat must be refused; it answered {status}")
        answers.append((answer["errcode"], answer["error"]))
        status, answer = await erika.call(
            "POST", f"/_matrix/client/v3/rooms/{quote(stage.care_room)}/invite", {"user_id": user_id}
        )
        expect(status == 403, f"inviting into the chat must be refused; it answered {status}")
    expect(answers[0] == answers[1], "the refusal must not tell another insured person from an unlisted practice")
    expect(stage.tables.count_rooms() == rooms, "a refused request must leave no half-made room behind")
    for client in (max_client, winter_client):
        expect(
            not (await stage.full_sync(client))["rooms"].get("invite"), "no invitation may have reached the other side"
        )
    return "Erika can invite neither Max nor Dr. Winter; nothing reached them, and no half-made room was left behind."
