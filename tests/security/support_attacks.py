"""Attacks on the support bot and the service account: foreign devices, posing texts, files and consents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from tests.security.attack import Attack, Component, Kind, Outcome
from tests.security.house import House
from tests.security.support_scene import BERG, Offered, fresh_device, offered, ticket

_PDF = b"%PDF-1.7\nan honest finding"
_EXE = b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0 this program"
_HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
_SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on"
_NOT_CONFIRMED = "noch nicht bestätigt"


# -- agents -----------------------------------------------------------------------------------------------------------


async def _answer_from_unsigned_device(house: House) -> Outcome:
    async with ticket(house) as made:
        thief = await fresh_device(made.stage, BERG, signed=False)
        await thief.wait_until_in(made.team_room, made.stage.ready.support_user)
        await made.answer("Bitte überweisen Sie auf dieses Konto.", by=thief)
        told = await made.told_in_thread(_NOT_CONFIRMED)
        reached = await made.reaches_person("Bitte überweisen Sie auf dieses Konto.")
        return Outcome(not reached and told.encrypted, True, told.body)


async def _file_from_unsigned_device(house: House) -> Outcome:
    async with ticket(house) as made:
        thief = await fresh_device(made.stage, BERG, signed=False)
        await thief.wait_until_in(made.team_room, made.stage.ready.support_user)
        arguments = (made.team_room, _PDF, "Rechnung.pdf", "application/pdf")
        await thief.send_file(*arguments, caption="!antwort", thread=made.thread)
        told = await made.told_in_thread(_NOT_CONFIRMED)
        await made.agent.send_file(
            made.team_room, _PDF, "Bescheid.pdf", "application/pdf", caption="!antwort", thread=made.thread
        )
        await made.person.wait_for(lambda seen: seen.body == "Bescheid.pdf", "the honest file")
        return Outcome(not any(seen.body == "Rechnung.pdf" for seen in made.person.seen), True, told.body)


async def _close_from_unsigned_device(house: House) -> Outcome:
    async with ticket(house) as made:
        thief = await fresh_device(made.stage, BERG, signed=False)
        await thief.wait_until_in(made.team_room, made.stage.ready.support_user)
        await thief.send_text(made.team_room, "!schliessen erledigt", thread=made.thread)
        told = await made.told_in_thread(_NOT_CONFIRMED)
        # A ticket that is closed takes no answer.
        reached = not await made.reaches_person("Nichts Böses.")
        await made.agent.send_text(made.team_room, "!schliessen", thread=made.thread)
        closed = await made.told_in_thread("Ticket abgeschlossen")
        return Outcome(reached, closed.encrypted, told.body)


async def _answer_in_clear(house: House) -> Outcome:
    async with ticket(house) as made:
        path = f"/_matrix/client/v3/rooms/{made.team_room}/send/m.room.message/in-clear-{made.thread[1:9]}"
        content = {"msgtype": "m.text", "body": "!antwort In Klartext."}
        content |= {"m.relates_to": {"rel_type": "m.thread", "event_id": made.thread}}  # type: ignore[dict-item]
        status, _ = await made.agent.call("PUT", path, content)
        reached = await made.reaches_person("In Klartext.")
        return Outcome(not reached, True, f"status {status}")


async def _command_of_the_person(house: House) -> Outcome:
    async with ticket(house) as made:
        await made.person.send_text(made.support_room, "!antwort Im Namen der HEK.")
        copy = await made.relayed("Im Namen der HEK.")
        reached = any(
            seen.sender == made.stage.ready.support_user and "Im Namen der HEK." in seen.body
            for seen in made.person.seen
        )
        reached |= await made.reaches_person("Im Namen der HEK. Noch einmal")
        await made.person.send_text(made.support_room, "!schliessen erledigt")
        await made.relayed("!schliessen erledigt")
        # Her words are words, and the ticket is open.
        return Outcome(not reached and copy.encrypted, not await made.reaches_person("Auch das nicht"), copy.body)


# -- what is relayed --------------------------------------------------------------------------------------------------


def _mentions_nobody(content: Mapping[str, Any]) -> bool:
    new = content.get("m.new_content", {"m.mentions": {}})
    return content.get("m.mentions") == {} and new.get("m.mentions") == {} and "formatted_body" not in content


async def _mention_by_person(content: Mapping[str, Any], house: House) -> Outcome:
    async with ticket(house) as made:
        await made.person.send(made.support_room, dict(content))
        copy = await made.relayed("@room")
        return Outcome(_mentions_nobody(copy.content), "bitte melden" in copy.body, str(dict(copy.content)))


async def _mention_in_an_edit(house: House) -> Outcome:
    async with ticket(house) as made:
        first = await made.person.send_text(made.support_room, "Meine erste Fassung")
        await made.relayed("Meine erste Fassung")
        new = {"msgtype": "m.text", "body": "@room bitte melden", "m.mentions": {"room": True}}
        relation = {"rel_type": "m.replace", "event_id": first}
        edit = {**new, "body": "* @room bitte melden", "m.new_content": new, "m.relates_to": relation}
        await made.person.send(made.support_room, edit)
        copy = await made.relayed("@room")
        return Outcome(_mentions_nobody(copy.content), "bitte melden" in copy.body, str(dict(copy.content)))


async def _mention_in_a_caption(house: House) -> Outcome:
    async with ticket(house) as made:
        arguments = (made.support_room, _PDF, "Befund.pdf", "application/pdf")
        await made.person.send_file(*arguments, caption="@room bitte melden")
        caption, file = await made.relayed("@room"), await made.relayed("Befund.pdf")
        stopped = _mentions_nobody(caption.content) and _mentions_nobody(file.content)
        return Outcome(stopped, await made.agent.fetch_file(file) == _PDF, str(dict(caption.content)))


async def _mention_by_agent(house: House) -> Outcome:
    async with ticket(house) as made:
        await made.answer(f"@room {made.person.signed_in.user_id} Am Freitag.")
        copy = await made.person.wait_for(lambda seen: "Am Freitag." in seen.body, "the answer")
        return Outcome(_mentions_nobody(copy.content), True, str(dict(copy.content)))


async def _hidden_name(name: str, shown: str, house: House) -> Outcome:
    async with ticket(house) as made:
        await made.person.send_file(made.support_room, _PDF, name, "application/pdf")
        await made.person.send_file(made.support_room, _PDF, "Übrige Seiten.pdf", "application/pdf")
        honest = await made.relayed("Übrige Seiten.pdf")
        names = [seen.body for seen in made.agent.seen if made.in_thread(seen) and "file" in seen.content]
        return Outcome(shown in names and name not in names, honest.body == "Übrige Seiten.pdf", str(names))


async def _false_kind(data: bytes, media_type: str, house: House) -> Outcome:
    async with ticket(house) as made:
        await made.person.send_file(made.support_room, data, "Bild 1", media_type)
        await made.person.send_file(made.support_room, _PNG, "Bild 2", "image/png")
        false, honest = await made.relayed("Bild 1"), await made.relayed("Bild 2")
        kind = (false.content["msgtype"], false.content["info"]["mimetype"])
        allowed = (honest.content["msgtype"], honest.content["info"]["mimetype"]) == ("m.image", "image/png")
        stopped = kind == ("m.file", "application/octet-stream") and await made.agent.fetch_file(false) == data
        return Outcome(stopped, allowed, str(kind))


# -- consent ----------------------------------------------------------------------------------------------------------


async def _decision_from_unsigned_device(word: str, house: House) -> Outcome:
    async with offered(house) as made:
        thief = await fresh_device(made.stage, made.stage.erika, signed=False)
        await thief.wait_until_in(made.service_room, made.stage.ready.service_user)
        await thief.send_text(made.service_room, word)
        told = await made.told(_NOT_CONFIRMED)
        changed = any("Ihre Frist ist jetzt" in seen.body or "nicht mehr an" in seen.body for seen in made.person.seen)
        return Outcome(not changed and await made.is_in_chat(), await made.leaves_honestly(), told.body)


async def _consent_that_is_none(send: Callable[[Offered], Awaitable[object]], house: House) -> Outcome:
    async with offered(house) as made:
        await send(made)
        await made.person.send_text(made.service_room, "Hallo?")
        told = await made.told("Dieses Konto fragt Sie")
        return Outcome(await made.is_in_chat(), await made.leaves_honestly(), told.body)


async def _by_an_edit(made: Offered) -> None:
    first = await made.person.send_text(made.service_room, "Ich überlege noch")
    new = {"msgtype": "m.text", "body": "VERLASSEN"}
    relation = {"rel_type": "m.replace", "event_id": first}
    content = {"msgtype": "m.text", "body": "* VERLASSEN", "m.new_content": new, "m.relates_to": relation}
    await made.person.send(made.service_room, content)


async def _by_a_quotation(made: Offered) -> None:
    await made.person.send_text(made.service_room, "> VERLASSEN\n\nWas heißt das?")


async def _in_clear(made: Offered) -> None:
    path = f"/_matrix/client/v3/rooms/{made.service_room}/send/m.room.message/in-clear-{made.care_room[1:9]}"
    await made.person.call("PUT", path, {"msgtype": "m.text", "body": "VERLASSEN"})


_AGENTS: tuple[tuple[str, Kind, str, Callable[[House], Awaitable[Outcome]]], ...] = (
    (
        "an answer from an agent's unsigned device",
        Kind.FALSE_PROOF,
        "commands from cross-signed devices alone",
        _answer_from_unsigned_device,
    ),
    (
        "a file from an agent's unsigned device",
        Kind.FALSE_PROOF,
        "commands from cross-signed devices alone",
        _file_from_unsigned_device,
    ),
    (
        "a ticket closed from an agent's unsigned device",
        Kind.FALSE_PROOF,
        "commands from cross-signed devices alone",
        _close_from_unsigned_device,
    ),
    ("an agent's answer in clear", Kind.FALSE_PROOF, "commands encrypted alone", _answer_in_clear),
    ("an agent's command by an insured person", Kind.MISSING_RIGHT, "agents by the settings", _command_of_the_person),
)
_MENTIONS: tuple[tuple[str, Callable[[House], Awaitable[Outcome]]], ...] = (
    ("@room in a person's text", partial(_mention_by_person, {"msgtype": "m.text", "body": "@room bitte melden"})),
    (
        "@room in a person's formatted text that mentions the room",
        partial(
            _mention_by_person,
            {
                "msgtype": "m.text",
                "body": "@room bitte melden",
                "format": "org.matrix.custom.html",
                "formatted_body": "<b>@room</b> bitte melden",
                "m.mentions": {"room": True},
            },
        ),
    ),
    ("@room in a person's edit", _mention_in_an_edit),
    ("@room in the caption of a person's file", _mention_in_a_caption),
    ("@room in an agent's answer", _mention_by_agent),
)
_NAMES = (
    ("turned round with U+202E", "Befund\u202efdp.exe", "Befundfdp.exe"),
    ("turned round with U+061C", "Befund\u061cfdp.exe", "Befundfdp.exe"),
    ("with letters that nobody sees", "Be\u200bfund\u2060\u3164\U000e0041.pdf", "Befund.pdf"),
)
_KINDS = (
    ("a program sent as a picture", _EXE, "image/png"),
    ("a page with a script sent as a picture", _HTML, "image/jpeg"),
    ("a drawing with a script", _SVG, "image/svg+xml"),
)
_CONSENTS: tuple[tuple[str, Kind, str, Callable[[House], Awaitable[Outcome]]], ...] = (
    (
        "consent from a person's unsigned device",
        Kind.FALSE_PROOF,
        "decisions from cross-signed devices alone",
        partial(_decision_from_unsigned_device, "VERLASSEN"),
    ),
    (
        "a period from a person's unsigned device",
        Kind.FALSE_PROOF,
        "decisions from cross-signed devices alone",
        partial(_decision_from_unsigned_device, "FRIST NIE"),
    ),
    (
        "consent by an edit",
        Kind.FALSE_CONTENT,
        "an edit is no consent",
        partial(_consent_that_is_none, _by_an_edit),
    ),
    (
        "consent by a quotation",
        Kind.FALSE_CONTENT,
        "quoted lines are not read",
        partial(_consent_that_is_none, _by_a_quotation),
    ),
    ("consent in clear", Kind.FALSE_PROOF, "decisions encrypted alone", partial(_consent_that_is_none, _in_clear)),
)
ATTACKS = (
    *(
        Attack(name, Component.BOT, kind, limit, "the thread is told", attempt)
        for name, kind, limit, attempt in _AGENTS
    ),
    *(
        Attack(name, Component.BOT, Kind.FALSE_CONTENT, "m.mentions names nobody", "nothing", attempt)
        for name, attempt in _MENTIONS
    ),
    *(
        Attack(
            f"a file's name {how}",
            Component.BOT,
            Kind.FALSE_NAME,
            "letters that show nothing are taken out",
            "nothing",
            partial(_hidden_name, name, shown),
        )
        for how, name, shown in _NAMES
    ),
    *(
        Attack(
            name,
            Component.BOT,
            Kind.FALSE_CONTENT,
            "a file is shown as what it begins as",
            "a plain file",
            partial(_false_kind, data, media_type),
        )
        for name, data, media_type in _KINDS
    ),
    *(
        Attack(name, Component.RETENTION, kind, limit, "she is told", attempt)
        for name, kind, limit, attempt in _CONSENTS
    ),
)
