"""A practice's software at the owner API: its own practice alone, every fault named."""

import json
from typing import Any

import pytest

from messenger_core.service_auth.client import CallFailed
from messenger_core.service_auth.keys import generate_private_key, public_jwks
from tests.directory_service.bench import (
    CONSENT,
    ERIKA,
    FULL_PROFILE,
    KEYS,
    PAUSE,
    PROFILE,
    SOMMER,
    WINTER,
    Directory,
    messenger,
)

WINTER_PROFILE = PROFILE | {"name": "Hausarztpraxis Dr. Winter"}


def changed(**values: object) -> dict[str, Any]:
    """The profile with other values; a key with two underscores is a field of the address."""
    profile: dict[str, Any] = json.loads(json.dumps(PROFILE))
    for key, value in values.items():
        outer, _, inner = key.partition("__")
        if inner:
            profile[outer][inner] = value
        else:
            profile[outer] = value
    return profile


def said(profile: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """What an answer holds of what a profile said."""
    found = json.loads(json.dumps({name: answer[name] for name in profile}))
    if found["address"] and "position" not in profile["address"]:
        assert found["address"].pop("position") is None
    return dict(found)


async def test_the_profile_written_is_the_profile_read(directory: Directory) -> None:
    key = await directory.practice_joins(profile=None, opts_in=False)
    for profile in (PROFILE, FULL_PROFILE, PROFILE):
        status, written = await directory.as_practice(key, "PUT", "/owner/practice", profile)
        assert status == 200
        assert said(profile, written) == profile
        assert (await directory.as_practice(key, "GET", "/owner/practice")) == (200, written)


async def test_what_a_profile_leaves_out_is_not_said_any_more(directory: Directory) -> None:
    key = await directory.practice_joins(profile=FULL_PROFILE, opts_in=False)
    _, own = await directory.as_practice(key, "PUT", "/owner/practice", PROFILE)
    account = messenger(own["user_id"])
    left = ("languages", "accessibility", "opening_hours", "absence", "messengers", "hide_from_insured")
    assert [own[name] for name in left] == [[], [], None, None, [account], False]


async def test_a_new_name_reaches_the_practices_account_and_its_keys_stay(directory: Directory) -> None:
    key = await directory.practice_joins(profile=None, opts_in=False)
    for name in ("Praxis Neu", "Praxis Dr. Sommer"):
        status, _ = await directory.as_practice(key, "PUT", "/owner/practice", changed(name=name))
        account = directory.homeserver.accounts[SOMMER]
        assert (status, account["display_name"]) == (200, name)
        assert (account["jwks"], account["active"]) == (public_jwks(key), True)


async def test_while_the_homeserver_is_down_no_profile_is_written(directory: Directory) -> None:
    key = await directory.practice_joins(opts_in=False)
    before = await directory.as_practice(key, "GET", "/owner/practice")
    directory.homeserver.down = True
    status, answer = await directory.as_practice(key, "PUT", "/owner/practice", changed(name="Praxis Neu"))
    assert (status, answer["title"]) == (503, "homeserver unavailable")
    assert await directory.as_practice(key, "GET", "/owner/practice") == before
    directory.homeserver.down = False
    assert (await directory.as_practice(key, "PUT", "/owner/practice", changed(name="Praxis Neu")))[0] == 200


async def test_an_account_of_another_practice_is_not_taken(directory: Directory) -> None:
    key = await directory.practice_joins(opts_in=False)
    directory.homeserver.user_ids[SOMMER] = "@practice-another:messenger.example"
    status, answer = await directory.as_practice(key, "PUT", "/owner/practice", PROFILE)
    assert (status, answer["title"]) == (502, "account differs")


async def test_a_profile_written_while_the_key_is_replaced_never_brings_the_old_key_back(directory: Directory) -> None:
    old, new = await directory.practice_joins(opts_in=False), generate_private_key()

    async def replace_key() -> None:
        assert (await directory.register(directory.statement(SOMMER, new), new))[0] == 201

    directory.homeserver.before_taking = replace_key
    status, _ = await directory.as_practice(old, "PUT", "/owner/practice", changed(name="Praxis Neu"))
    account = directory.homeserver.accounts[SOMMER]
    assert (status, account["display_name"], account["jwks"]) == (200, "Praxis Neu", public_jwks(new))


async def test_a_key_replaced_while_a_profile_is_written_is_the_one_at_the_homeserver(directory: Directory) -> None:
    old, new = await directory.practice_joins(opts_in=False), generate_private_key()

    async def rename() -> None:
        assert (await directory.as_practice(old, "PUT", "/owner/practice", changed(name="Praxis Neu")))[0] == 200

    directory.homeserver.before_answering = rename
    assert (await directory.register(directory.statement(SOMMER, new), new, "Praxis Zuletzt"))[0] == 201
    account = directory.homeserver.accounts[SOMMER]
    _, own = await directory.as_practice(new, "GET", "/owner/practice")
    assert (account["display_name"], account["jwks"]) == (own["name"], public_jwks(new))


async def test_each_practice_writes_its_own_entry_alone(directory: Directory) -> None:
    await directory.practice_joins(SOMMER)
    winter = await directory.practice_joins(WINTER, profile=WINTER_PROFILE)
    status, answer = await directory.as_practice(winter, "POST", "/owner/withdraw", {}, WINTER)
    assert (status, answer["telematik_id"], answer["state"]) == (200, WINTER, "withdrawn")
    assert await directory.found("hausarztpraxis") == ["Hausarztpraxis Dr. Sommer – Allgemeinmedizin, Hamburg"]


async def test_a_practice_cannot_use_another_ones_id_nor_the_homeservers_scopes(directory: Directory) -> None:
    await directory.practice_joins(SOMMER)
    winter = await directory.practice_joins(WINTER, profile=WINTER_PROFILE)
    with pytest.raises(CallFailed, match="invalid_client"):
        await directory.as_practice(winter, "GET", "/owner/practice", telematik_id=SOMMER)
    async with directory.client(WINTER, winter) as client:
        with pytest.raises(CallFailed, match="invalid_scope"):
            await client.call("GET", "/reachable", scope="reachability:read")
    async with directory.client("homeserver", KEYS.homeserver) as client:
        with pytest.raises(CallFailed, match="invalid_scope"):
            await client.call("GET", "/owner/practice", scope="practice:write")


async def test_without_a_token_nothing_is_answered(directory: Directory) -> None:
    for method, path in (
        ("GET", "/owner/practice"),
        ("PUT", "/owner/practice"),
        ("PUT", "/owner/visibility"),
        ("POST", "/owner/withdraw"),
        ("GET", "/reachable"),
        ("POST", "/people-search"),
    ):
        async with directory.http.request(method, directory.url + path) as answer:
            assert (answer.status, answer.content_type) == (401, "application/problem+json")


def hours(**days: list[tuple[str, str]]) -> dict[str, Any]:
    week = {day: [{"opens": opens, "closes": closes} for opens, closes in blocks] for day, blocks in days.items()}
    return changed(opening_hours={"weekly": week})


def away(substitute: dict[str, Any]) -> dict[str, Any]:
    return changed(absence={"first_day": "2026-12-28", "last_day": "2026-12-28", "substitute": substitute})


FAULTY_PROFILES: list[tuple[object, list[str]]] = [
    (changed(name=""), ["name"]),
    (changed(name="  Praxis"), ["name"]),
    (changed(name="P" * 121), ["name"]),
    (changed(name=5), ["name"]),
    (changed(specialties=[]), ["specialties"]),
    (changed(specialties=["ALLG", "XXXX", "allg"]), ["specialties.1", "specialties.2"]),
    (changed(specialties=["ALLG", "ALLG"]), ["specialties"]),
    (changed(specialties="ALLG"), ["specialties"]),
    (changed(specialties=[["ALLG"]]), ["specialties.0"]),
    (changed(address__postcode="2009"), ["address.postcode"]),
    (changed(address__postcode="٢٠٠٩٩"), ["address.postcode"]),
    (changed(address__postcode=20099), ["address.postcode"]),
    (changed(address__city="Ham\nburg", address__line=""), ["address.line", "address.city"]),
    (changed(address__country="DE"), ["address.country"]),
    (changed(address="Hamburg"), ["address"]),
    (changed(telematik_id=WINTER), ["telematik_id"]),
    (changed(address__position={"latitude": 91, "longitude": 10}), ["address.position.latitude"]),
    (changed(languages=["de", "Deutsch", "de-"]), ["languages.1", "languages.2"]),
    (changed(languages=["de", "de"]), ["languages"]),
    (changed(accessibility=[{"feature": "lift", "grade": "full"}]), ["accessibility.0.feature"]),
    (changed(accessibility=[{"feature": "oepnv", "grade": "yes"}]), ["accessibility.0.grade"]),
    (changed(accessibility=[{"feature": "oepnv", "grade": "full", "note": "a\nb"}]), ["accessibility.0.note"]),
    (changed(accessibility=[{"feature": "oepnv", "grade": grade} for grade in ("full", "none")]), ["accessibility"]),
    (hours(mon=[("8:00", "12:00")]), ["opening_hours.weekly.mon.0.opens"]),
    (hours(mon=[("08:00", "24:30")]), ["opening_hours.weekly.mon.0.closes"]),
    (hours(tue=[("12:00", "12:00")]), ["opening_hours.weekly.tue.0"]),
    (hours(wed=[("22:00", "02:00")]), ["opening_hours.weekly.wed.0"]),
    (hours(thu=[("14:00", "18:00"), ("08:00", "12:00")]), ["opening_hours.weekly.thu"]),
    (hours(fri=[("08:00", "12:00"), ("11:00", "13:00")]), ["opening_hours.weekly.fri"]),
    (hours(monday=[]), ["opening_hours.weekly.monday"]),
    (changed(opening_hours={"special": [{"day": "24.12.2026", "blocks": []}]}), ["opening_hours.special.0.day"]),
    (changed(opening_hours={"special": [{"day": "2026-12-24", "blocks": []}] * 2}), ["opening_hours.special"]),
    (changed(absence={"first_day": "2026-12-28", "last_day": "2026-12-27"}), ["absence.last_day"]),
    (changed(absence={"first_day": "2026-02-30", "last_day": "2026-12-27"}), ["absence.first_day"]),
    (away({"text": ""}), ["absence.substitute.text"]),
    (away({"text": "Praxis", "telephone": "ruf an"}), ["absence.substitute.telephone"]),
    (changed(messengers=[{"user_id": "matrix:u/a:b.example"}]), ["messengers.0.user_id"]),
    (changed(messengers=[{"user_id": "@a:b.example", "kind": "kim"}]), ["messengers.0.kind"]),
    (changed(messengers=[{"user_id": "@a:b.example", "active": "yes"}]), ["messengers.0.active"]),
    (changed(messengers=[{"user_id": "@a:b.example"}] * 2), ["messengers"]),
    (changed(messengers=[{"user_id": "@a:b.example"}, {"user_id": ERIKA}]), ["messengers.1.user_id"]),
    (changed(hide_from_insured="no"), ["hide_from_insured"]),
    ([], [""]),
]


async def test_each_faulty_field_of_a_profile_is_named(directory: Directory) -> None:
    key = await directory.practice_joins(opts_in=False)
    for profile, fields in FAULTY_PROFILES:
        status, answer = await directory.as_practice(key, "PUT", "/owner/practice", profile)
        assert (status, [error["field"] for error in answer["errors"]]) == (400, fields), profile
    _, own = await directory.as_practice(key, "GET", "/owner/practice")
    assert said(PROFILE, own) == PROFILE


FAULTY_CHOICES: list[tuple[object, list[str]]] = [
    ({}, ["visible_to_insured", "consent_text"]),
    (CONSENT | {"visible_to_insured": "yes"}, ["visible_to_insured"]),
    (CONSENT | {"consent_text": ""}, ["consent_text"]),
    (CONSENT | {"consent_text": "mit Leerzeichen"}, ["consent_text"]),
    (CONSENT | {"reason": "x"}, ["reason"]),
]


async def test_a_faulty_choice_of_visibility_changes_nothing(directory: Directory) -> None:
    key = await directory.practice_joins(opts_in=False)
    for body, fields in FAULTY_CHOICES:
        status, answer = await directory.as_practice(key, "PUT", "/owner/visibility", body)
        assert (status, [error["field"] for error in answer["errors"]]) == (400, fields), body
    assert await directory.found("hausarzt") == []


async def test_a_practice_without_a_profile_is_told_to_write_it_first(directory: Directory) -> None:
    key = await directory.practice_joins(profile=None, opts_in=False)
    status, answer = await directory.as_practice(key, "PUT", "/owner/visibility", CONSENT)
    assert (status, answer["title"], "PUT /owner/practice" in answer["detail"]) == (409, "profile missing", True)


async def test_a_practice_that_withdrew_comes_back_by_joining_again(directory: Directory) -> None:
    key = await directory.practice_joins()
    for _ in range(2):
        status, answer = await directory.as_practice(key, "POST", "/owner/withdraw", {})
        assert (status, answer["state"]) == (200, "withdrawn")
    for choice in (CONSENT, PAUSE):
        status, answer = await directory.as_practice(key, "PUT", "/owner/visibility", choice)
        assert (status, answer["title"], "/oauth2/register" in answer["detail"]) == (409, "withdrawn", True)
    new_key = generate_private_key()
    assert (await directory.register(directory.statement(SOMMER, new_key), new_key))[0] == 201
    assert await directory.found("hausarzt") == []
    status, answer = await directory.as_practice(new_key, "PUT", "/owner/visibility", CONSENT)
    assert (status, answer["state"]) == (200, "opted-in")


async def test_a_body_that_is_not_json_is_a_fault_of_the_caller(directory: Directory) -> None:
    key = await directory.practice_joins(opts_in=False)
    async with directory.client(SOMMER, key) as client:
        _, answer = await client.answer("GET", "/owner/practice", scope="practice:write")
        assert answer["state"] == "verified"
        token = await client.access_token("practice:write")
    for body in (b"", b"{", b"\xff", b'{"name": "\\ud800"}', b"[" * 5000):
        headers = {"Authorization": f"Bearer {token}", "If-Match": "*"}
        async with directory.http.put(f"{directory.url}/owner/practice", data=body, headers=headers) as response:
            assert response.status == 400
