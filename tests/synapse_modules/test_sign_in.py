"""Sign-in against a real Synapse: who gets in, who does not, and what is kept of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from messenger_core.service_auth.assertions import make_assertion
from messenger_core.service_auth.keys import generate_private_key, public_jwks
from tests.synapse_modules.homeserver_under_test import (
    OPERATOR,
    SERVICE,
    SUPPORT,
    Homeserver,
    SignInRefused,
    claims,
    new_kvnr,
    running_homeserver,
)


async def test_an_insured_person_gets_one_pseudonymous_account_with_her_verified_name(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    first = await homeserver.sign_in(claims(kvnr, "Erika Muster"))
    second = await homeserver.sign_in(claims(kvnr, "Erika Muster"))
    assert first.user_id == second.user_id
    assert first.device_id != second.device_id
    assert len(first.user_id.partition(":")[0]) == 24
    _, profile = await homeserver.call(first, "GET", f"/profile/{first.user_id}")
    assert profile["displayname"] == "Erika Muster"
    rows = homeserver.rows("SELECT kind, state, kvnr_sealed FROM hek_account WHERE user_id = ?", first.user_id)
    assert rows[0][:2] == ("insured", "live")
    assert kvnr not in rows[0][2]
    changes = homeserver.rows("SELECT what FROM hek_change WHERE user_id = ?", first.user_id)
    assert changes == [("account-made",)]


async def test_no_kvnr_stands_in_clear_in_database_or_log(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    await homeserver.sign_in(claims(kvnr))
    with pytest.raises(SignInRefused):
        await homeserver.sign_in(claims(kvnr, acr="gematik-ehealth-loa-substantial"))
    for file in homeserver.folder.glob("homeserver.*"):
        assert kvnr.encode() not in file.read_bytes(), file.name


@pytest.mark.parametrize(
    ("changed", "reason", "word"),
    [
        ({"urn:telematik:claims:organization": "109500969"}, "other-insurer", "versichert"),
        ({"acr": "gematik-ehealth-loa-substantial"}, "weak-sign-in", "Stufe"),
        ({"urn:telematik:claims:profession": "1.2.276.0.76.4.30"}, "not-an-insured-person", "Praxis"),
        ({"urn:telematik:claims:id": "A123456789"}, "kvnr-not-valid", "nicht gültig"),
        ({"urn:telematik:claims:id": 7}, "claims-missing", "nicht vollständig"),
        ({"urn:telematik:display_name": " "}, "name-missing", "Name"),
    ],
)
async def test_each_refusal_has_its_own_page_and_audit_row_and_makes_nothing(
    homeserver: Homeserver, changed: dict[str, Any], reason: str, word: str
) -> None:
    before = homeserver.count("users"), homeserver.count("hek_account"), homeserver.count("hek_audit")
    with pytest.raises(SignInRefused, match=word) as refusal:
        await homeserver.sign_in(claims(new_kvnr(), **changed))
    assert "Please" in str(refusal.value)
    assert (homeserver.count("users"), homeserver.count("hek_account")) == before[:2]
    assert homeserver.count("hek_audit") == before[2] + 1
    assert homeserver.rows("SELECT reason FROM hek_audit ORDER BY rowid DESC LIMIT 1") == [(reason,)]


async def test_a_person_who_switched_insurer_is_refused_with_her_old_account(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    await homeserver.sign_in(claims(kvnr))
    with pytest.raises(SignInRefused, match="nicht bei der HEK versichert"):
        await homeserver.sign_in(claims(kvnr, **{"urn:telematik:claims:organization": "109500969"}))


async def test_a_changed_verified_name_is_taken_over_and_people_cannot_change_it(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    await homeserver.sign_in(claims(kvnr, "Erika Ledig"))
    person = await homeserver.sign_in(claims(kvnr, "Erika Verheiratet"))
    status, _ = await homeserver.call(person, "PUT", f"/profile/{person.user_id}/displayname", {"displayname": "Dr. X"})
    assert status == 403
    _, profile = await homeserver.call(person, "GET", f"/profile/{person.user_id}")
    assert profile["displayname"] == "Erika Verheiratet"


async def test_an_interrupted_first_sign_in_is_finished_by_the_next_one(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    first = await homeserver.sign_in(claims(kvnr))
    homeserver.change_row("DELETE FROM user_external_ids WHERE user_id = ?", first.user_id)
    homeserver.change_row("UPDATE hek_account SET state = 'pending' WHERE user_id = ?", first.user_id)
    second = await homeserver.sign_in(claims(kvnr))
    assert second.user_id == first.user_id
    assert homeserver.rows("SELECT state FROM hek_account WHERE user_id = ?", first.user_id) == [("live",)]


async def test_nobody_registers_without_a_sign_in(homeserver: Homeserver) -> None:
    before = homeserver.count("users")
    body = {"username": "somebody", "password": "correct horse battery", "auth": {"type": "m.login.dummy"}}
    status, answer = await homeserver.call(None, "POST", "/register", body)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert homeserver.count("users") == before


async def test_an_agent_gets_an_account_under_the_staff_name(homeserver: Homeserver) -> None:
    agent = await homeserver.new_agent("berg")
    assert agent.user_id.startswith("@agent.berg:")
    again = await homeserver.new_agent("berg")
    assert again.user_id == agent.user_id
    with pytest.raises(SignInRefused, match="Anmeldenamen"):
        await homeserver.new_agent("Berg!")
    with pytest.raises(SignInRefused, match="Anmeldenamen"):
        await homeserver.sign_in({"sub": "other", "name": "X", "preferred_username": "berg"}, provider="staff")


async def test_a_staff_name_that_went_to_somebody_else_renames_nobody(homeserver: Homeserver) -> None:
    agent = await homeserver.new_agent("see")
    said = {"sub": "see-two", "name": "Somebody Else", "preferred_username": "see"}
    with pytest.raises(SignInRefused, match="Anmeldenamen"):
        await homeserver.sign_in(said, provider="staff")
    _, profile = await homeserver.call(agent, "GET", f"/profile/{agent.user_id}")
    assert profile["displayname"] == "Agentin Berg"
    audited = "SELECT reason FROM hek_audit ORDER BY rowid DESC LIMIT 1"
    assert homeserver.rows(audited) == [("staff-name-not-valid",)]


async def test_an_agent_whose_staff_name_changed_keeps_her_account(homeserver: Homeserver) -> None:
    agent = await homeserver.new_agent("moor")
    said = {"sub": "moor", "name": "Agentin Neu", "preferred_username": "moor-neu"}
    assert (await homeserver.sign_in(said, provider="staff")).user_id == agent.user_id
    _, profile = await homeserver.call(agent, "GET", f"/profile/{agent.user_id}")
    assert profile["displayname"] == "Agentin Neu"


@pytest.mark.parametrize(
    ("user_id", "client_id", "is_admin"),
    [(SUPPORT, "bot", False), (SERVICE, "retention", False), (OPERATOR, "operator", True)],
)
async def test_accounts_of_the_settings_sign_in_with_their_key(
    homeserver: Homeserver, user_id: str, client_id: str, is_admin: bool
) -> None:
    await homeserver.own_account(user_id, client_id)
    assert homeserver.rows("SELECT admin FROM users WHERE name = ?", user_id) == [(int(is_admin),)]


async def test_an_assertion_signs_in_once_and_only_for_its_own_account(homeserver: Homeserver) -> None:
    key, audience = homeserver.keys["bot"], f"{homeserver.base}/_matrix/client/v3/login"
    assertion = make_assertion(key, client_id="bot", audience=audience, now=datetime.now(UTC))
    assert (await homeserver.sign_in_with_key(SERVICE, "bot", key, assertion=assertion))[0] == 403
    assert (await homeserver.sign_in_with_key(SUPPORT, "bot", key, assertion=assertion))[0] == 200
    assert (await homeserver.sign_in_with_key(SUPPORT, "bot", key, assertion=assertion))[0] == 403


async def test_wrong_keys_audiences_and_old_assertions_do_not_sign_in(homeserver: Homeserver) -> None:
    key, audience = homeserver.keys["bot"], f"{homeserver.base}/_matrix/client/v3/login"
    now = datetime.now(UTC)
    for faulty in (
        make_assertion(generate_private_key(), client_id="bot", audience=audience, now=now),
        make_assertion(key, client_id="bot", audience="https://elsewhere.example", now=now),
        make_assertion(key, client_id="bot", audience=audience, now=now - timedelta(minutes=5)),
        "not a token",
    ):
        assert (await homeserver.sign_in_with_key(SUPPORT, "bot", key, assertion=faulty))[0] == 403


async def test_insured_people_and_agents_never_sign_in_with_a_key(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    agent = await homeserver.new_agent("tal")
    for user_id in (person.user_id, agent.user_id, "@nobody:hek.test"):
        assert (await homeserver.sign_in_with_key(user_id, "bot", homeserver.keys["bot"]))[0] == 403


async def test_a_practice_signs_in_with_its_key_until_it_is_closed(homeserver: Homeserver) -> None:
    practice = await homeserver.new_practice("Praxis", opts_in=False)
    device = await homeserver.practice_device(practice)
    assert device.user_id == practice.user_id
    body = {"telematik_id": practice.telematik_id, "display_name": "Praxis Neu", "jwks": public_jwks(practice.key)}
    for active, expected in ((False, 401), (True, 200)):
        status, answer = await homeserver.machine(
            "directory", "practice:provision", "PUT", "/v1/practices", body | {"active": active}
        )
        assert (status, answer) == (200, {"user_id": practice.user_id})
        assert (await homeserver.call(device, "GET", "/account/whoami"))[0] == expected
        status, _ = await homeserver.sign_in_with_key(practice.user_id, practice.telematik_id, practice.key)
        assert status == (200 if active else 403)
    _, profile = await homeserver.call(device, "GET", f"/profile/{practice.user_id}")
    assert profile["displayname"] == "Praxis Neu"


async def test_another_key_of_a_practice_ends_the_sessions_of_the_one_before(homeserver: Homeserver) -> None:
    practice = await homeserver.new_practice("Praxis", opts_in=False)
    thief, new_key = await homeserver.practice_device(practice), generate_private_key()
    body = {"telematik_id": practice.telematik_id, "display_name": "Praxis", "active": True}
    for key, expected in ((practice.key, 200), (new_key, 401)):
        status, _ = await homeserver.machine(
            "directory", "practice:provision", "PUT", "/v1/practices", body | {"jwks": public_jwks(key)}
        )
        assert status == 200
        assert (await homeserver.call(thief, "GET", "/account/whoami"))[0] == expected
    assert (await homeserver.sign_in_with_key(practice.user_id, practice.telematik_id, practice.key))[0] == 403
    assert (await homeserver.sign_in_with_key(practice.user_id, practice.telematik_id, new_key))[0] == 200


async def test_a_key_that_was_half_replaced_lets_nobody_in_until_it_is_done_again(homeserver: Homeserver) -> None:
    """As a process leaves it that was killed between the end of the old key and the beginning of the new one."""
    practice = await homeserver.new_practice("Praxis", opts_in=False)
    device, new_key = await homeserver.practice_device(practice), generate_private_key()
    homeserver.change_row("UPDATE hek_account SET jwks = '' WHERE user_id = ?", practice.user_id)
    for key in (practice.key, new_key):
        assert (await homeserver.sign_in_with_key(practice.user_id, practice.telematik_id, key))[0] == 403
    body = {"telematik_id": practice.telematik_id, "display_name": "Praxis", "active": True}
    status, _ = await homeserver.machine(
        "directory", "practice:provision", "PUT", "/v1/practices", body | {"jwks": public_jwks(new_key)}
    )
    assert status == 200
    assert (await homeserver.call(device, "GET", "/account/whoami"))[0] == 401
    assert (await homeserver.sign_in_with_key(practice.user_id, practice.telematik_id, new_key))[0] == 200


async def test_names_are_made_of_the_kvnr_where_a_network_needs_it_and_none_is_given_twice(tmp_path: Path) -> None:
    with running_homeserver(tmp_path, more_module={"mxid": "kvnr"}) as homeserver:
        kvnr = new_kvnr()
        first = await homeserver.sign_in(claims(kvnr))
        assert first.user_id == f"@{kvnr.lower()}:{homeserver.server_name}"
        assert (await homeserver.sign_in(claims(kvnr))).user_id == first.user_id
        again = new_kvnr()
        taken = f"@{again.lower()}:{homeserver.server_name}"
        # What the deactivation of an account leaves of it.
        homeserver.change_row(
            "INSERT INTO hek_account (user_id, kind, state, display_name) VALUES (?, 'insured', 'deactivated', '')",
            taken,
        )
        second = await homeserver.sign_in(claims(again))
        assert second.user_id == f"@{again.lower()}-2:{homeserver.server_name}"
