"""The life of a session of the OAuth API: what may be repeated, what ends it, and what a lock leaves for an undo."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.synapse_modules.homeserver_under_test import Homeserver, SignedIn, claims, new_kvnr
from tests.synapse_modules.oauth.clients import ELEMENT_DESKTOP, FLUFFYCHAT_MOBILE, TODAYS_CLIENTS
from tests.synapse_modules.oauth.phone_client import PhoneClient, RefusedError
from tests.synapse_modules.session_to_lock import lock, undo

_DEAD = (400, "invalid_grant")


async def _signed_in(homeserver: Homeserver, kvnr: str | None = None, **said: Any) -> tuple[PhoneClient, SignedIn]:
    phone = PhoneClient(homeserver)
    return phone, await phone.sign_in(claims(kvnr or new_kvnr(), **said))


def _told(answer: tuple[int, dict[str, Any]]) -> tuple[int, str | None]:
    status, content = answer
    assert "errcode" not in content
    return status, content.get("error")


def _audited(homeserver: Homeserver, user_id: str) -> list[tuple[Any, ...]]:
    return homeserver.rows("SELECT what, reason FROM hek_audit WHERE user_id = ? ORDER BY at", user_id)


# -- Clients ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TODAYS_CLIENTS)
@pytest.mark.parametrize("mode", ["query", "fragment", None])
async def test_todays_clients_sign_in(homeserver: Homeserver, name: str, mode: str | None) -> None:
    phone = PhoneClient(homeserver, TODAYS_CLIENTS[name])
    await phone.register()
    page = await phone.open_consent(claims(new_kvnr()), response_mode=mode)
    go_on = next(one for one in page.links if "code=" in one)
    assert ("#code=" in go_on) is (mode == "fragment")
    query = phone.redirect_uri.partition("?")[2]
    assert query in go_on
    code = go_on.partition("code=")[2].partition("&")[0].replace("%3D", "=")
    status, content = await phone.ask_tokens(code)
    assert status == 200, content
    assert (await phone.who()).device_id == phone.device_id


async def test_a_program_on_a_computer_chooses_its_port_when_it_starts(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver, TODAYS_CLIENTS["FluffyChat on desktops"])
    await phone.register()
    phone.registration = phone.registration | {"redirect_uris": ["http://localhost:54321/login"]}
    code = await phone.get_code(claims(new_kvnr()))
    assert (await phone.ask_tokens(code))[0] == 200


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("{new}:api:* {new}:device:{id}", "{new}:api:* {new}:device:{id}"),
        ("{old}:device:{id} {old}:api:*", "{old}:api:* {old}:device:{id}"),
        ("{new}:api:* {old}:device:{id}", "{new}:api:* {old}:device:{id}"),
        ("openid {old}:api:* {old}:device:{id} email urn:synapse:admin:*", "{old}:api:* {old}:device:{id}"),
        ("{new}:api:* {new}:device:{id} {old}:device:{id}", "{new}:api:* {old}:device:{id}"),
    ],
)
async def test_the_scope_is_granted_in_its_own_spelling(homeserver: Homeserver, scope: str, granted: str) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    names = {"new": "urn:matrix:client", "old": "urn:matrix:org.matrix.msc2967.client", "id": phone.device_id}
    page = await phone.open_consent(claims(new_kvnr()), scope=scope.format(**names))
    code = phone.read_answer(next(one for one in page.links if "code=" in one))["code"]
    _, content = await phone.ask_tokens(code)
    assert content["scope"] == granted.format(**names)


async def test_a_person_who_says_no_leaves_nothing_and_the_client_is_told(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    before = homeserver.count("devices"), homeserver.count("hek_oauth_session")
    page = await phone.open_consent(claims(new_kvnr()))
    no = next(one for one in page.links if "error=" in one)
    assert phone.read_answer(no)["error"] == "access_denied"
    assert (homeserver.count("devices"), homeserver.count("hek_oauth_session")) == before


async def test_who_is_not_admitted_reads_why_and_the_client_hears_nothing(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    page = await phone.open_consent(claims(new_kvnr(), **{"urn:telematik:claims:organization": "109500969"}))
    assert "nicht bei der HEK versichert" in page.text
    assert not [link for link in page.links if link.startswith(phone.redirect_uri)]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("HEK\u202eknaB\u200b", "HEKknaB"),
        ("  Two\nlines\t", "Two lines"),
        ("x" * 5_000, "x" * 60),
        ("\u202e\u200b", "element.io"),
        (7, "element.io"),
    ],
)
async def test_the_name_of_a_client_is_shown_as_text(homeserver: Homeserver, name: object, shown: str) -> None:
    phone = PhoneClient(homeserver)
    phone.registration["client_name"] = name
    await phone.register()
    page = await phone.open_consent(claims(new_kvnr()))
    assert shown in page.text


# -- The browser ------------------------------------------------------------------------------------------------------


async def _login_token(homeserver: Homeserver) -> str:
    return await homeserver.login_token(claims(new_kvnr()))


async def test_a_sign_in_of_somebody_else_cannot_be_slipped_in(homeserver: Homeserver) -> None:
    victim = PhoneClient(homeserver)
    await victim.register()
    await victim.browser.open(victim.request())
    [request_id] = [name.removeprefix("__Host-hek-sign-in-") for name in victim.browser.cookies if "__Host-hek" in name]
    token = await _login_token(homeserver)
    elsewhere = PhoneClient(homeserver)
    for browser, asked in ((elsewhere.browser, request_id), (victim.browser, "another"), (victim.browser, "")):
        _, page = await browser.open(f"{victim.base}/callback?r={asked}&loginToken={token}")
        assert "Bitte beginnen Sie noch einmal" in page.text
        # Whatever came of it, the login token is burnt.
        status, _ = await homeserver.call(None, "POST", "/login", {"type": "m.login.token", "token": token})
        assert status == 403
        token = await _login_token(homeserver)
    code = await victim.get_code(claims(new_kvnr()))
    assert (await victim.ask_tokens(code))[0] == 200


async def test_a_foreign_cookie_is_worth_nothing(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver)
    token = await _login_token(homeserver)
    for held in ("", "x", "gAAAAABnAAAA", "ä"):
        phone.browser.cookies["__Host-hek-sign-in-abc"] = held
        _, page = await phone.browser.open(f"{phone.base}/callback?r=abc&loginToken={token}")
        assert "Bitte beginnen Sie noch einmal" in page.text
        _, page = await phone.browser.open(f"{phone.base}/consent?r=abc")
        assert "Bitte beginnen Sie noch einmal" in page.text


async def test_two_sign_ins_at_once_in_one_browser_both_work(homeserver: Homeserver) -> None:
    first, second = PhoneClient(homeserver), PhoneClient(homeserver, FLUFFYCHAT_MOBILE)
    second.browser = first.browser
    kvnr = new_kvnr()
    pages = []
    for phone in (first, second):
        await phone.register()
        pages.append(await phone.open_consent(claims(kvnr)))
    for phone, page in ((first, pages[0]), (second, pages[1])):
        code = phone.read_answer(next(one for one in page.links if "code=" in one))["code"]
        assert (await phone.ask_tokens(code))[0] == 200
    assert (await first.who()).user_id == (await second.who()).user_id


async def test_what_many_sign_ins_leave_in_a_browser_is_bounded(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    for _ in range(12):
        await phone.browser.open(phone.request())
        held = {name: value for name, value in phone.browser.cookies.items() if name.startswith("__Host-hek") and value}
        phone.browser.cookies = held
        assert len(held) <= 5
        assert sum(map(len, held.values())) < 8_000


async def test_the_consent_page_may_be_loaded_again_and_its_code_is_good_once(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    page = await phone.open_consent(claims(new_kvnr()))
    [request_id] = [name.removeprefix("__Host-hek-sign-in-") for name in phone.browser.cookies if "__Host-hek" in name]
    _, again = await phone.browser.open(f"{phone.base}/consent?r={request_id}")
    codes = [phone.read_answer(next(one for one in p.links if "code=" in one))["code"] for p in (page, again)]
    assert (await phone.ask_tokens(codes[0]))[0] == 200
    assert _told(await phone.ask_tokens(codes[1])) == _DEAD


async def test_pages_say_that_nothing_of_them_is_kept_framed_or_told(homeserver: Homeserver) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{PhoneClient(homeserver).base}/consent") as answer:
        assert answer.status == 400
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "script-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_nothing_of_a_sign_in_stands_in_the_log(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    page = await phone.open_consent(claims(new_kvnr(), "Logbert Ohnespur"))
    code = phone.read_answer(next(one for one in page.links if "code=" in one))["code"]
    await phone.ask_tokens(code)
    await phone.refresh()
    log = (homeserver.folder / "homeserver.log").read_text()
    assert "synapse" in log
    secrets_of_it = (
        code,
        phone.access_token,
        phone.refresh_token.partition(".")[0],
        phone.state,
        "Logbert",
        "loginToken=",
    )
    for secret in secrets_of_it:
        assert secret not in log


# -- Codes ------------------------------------------------------------------------------------------------------------


async def test_a_code_that_is_repeated_at_once_is_refused_and_the_device_stays(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    code = await phone.get_code(claims(new_kvnr()))
    assert (await phone.ask_tokens(code))[0] == 200
    assert _told(await phone.ask_tokens(code)) == _DEAD
    assert (await phone.whoami())[0] == 200


@pytest.mark.parametrize("how", ["another verifier", "later"])
async def test_a_code_that_is_played_again_ends_the_device(homeserver: Homeserver, how: str) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    code = await phone.get_code(claims(new_kvnr()))
    assert (await phone.ask_tokens(code))[0] == 200
    person = await phone.who()
    changed = {}
    if how == "later":
        homeserver.change_row(
            "UPDATE hek_oauth_session SET created_at = created_at - 30000 WHERE user_id = ?", person.user_id
        )
    else:
        changed = {"code_verifier": secrets.token_urlsafe(48)}
    assert _told(await phone.ask_tokens(code, **changed)) == _DEAD
    assert (await phone.whoami())[0] == 401
    assert phone.device_rows(person.user_id) == 0
    assert _audited(homeserver, person.user_id)[-1] == ("oauth-session-ended", "code-replayed")
    assert _told(await phone.refresh()) == _DEAD


async def test_a_code_given_back_many_times_at_once_makes_one_device(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    code = await phone.get_code(claims(new_kvnr()))
    answers = await asyncio.gather(*(phone.ask_tokens(code) for _ in range(8)))
    assert sorted(status for status, _ in answers) == [200] + [400] * 7
    assert phone.device_rows((await phone.who()).user_id) == 1


async def _end_at_provider(homeserver: Homeserver, kvnr: str) -> None:
    token = homeserver.provider.logout_token("gesundheitsid", sid=kvnr)
    address = f"{homeserver.base}/_synapse/client/oidc/backchannel_logout"
    async with aiohttp.ClientSession() as http, http.post(address, data={"logout_token": token}) as answer:
        assert answer.status == 200


async def _deactivate(homeserver: Homeserver, kvnr: str) -> None:
    operator = await homeserver.own_account("@operator:hek.test", "operator")
    [(user_id,)] = homeserver.rows("SELECT user_id FROM hek_account ORDER BY rowid DESC LIMIT 1")
    address = f"{homeserver.base}/_synapse/admin/v1/deactivate/{user_id}"
    headers = {"Authorization": f"Bearer {operator.access_token}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.post(address, json={}) as answer:
        assert answer.status == 200, await answer.text()
    assert kvnr


@pytest.mark.parametrize("end", [lock, _end_at_provider, _deactivate])
async def test_what_ends_the_sign_in_before_the_code_came_back_leaves_a_dead_code_and_no_device(
    homeserver: Homeserver, end: Callable[[Homeserver, str], Awaitable[None]]
) -> None:
    phone, kvnr = PhoneClient(homeserver), new_kvnr()
    await phone.register()
    code = await phone.get_code(claims(kvnr, sid=kvnr))
    before = homeserver.count("hek_oauth_session")
    await end(homeserver, kvnr)
    assert _told(await phone.ask_tokens(code)) == _DEAD
    assert homeserver.count("hek_oauth_session") == before
    assert not homeserver.rows("SELECT 1 FROM devices WHERE device_id = ?", phone.device_id)
    if end is lock:
        await undo(homeserver, kvnr)
        assert _told(await phone.ask_tokens(code)) == _DEAD


async def test_the_provider_ends_a_session_of_this_api_too(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    phone, person = await _signed_in(homeserver, kvnr, sid=kvnr)
    await _end_at_provider(homeserver, kvnr)
    assert (await phone.whoami())[0] == 401
    assert phone.device_rows(person.user_id) == 0
    assert _told(await phone.refresh()) == _DEAD


# -- Devices ----------------------------------------------------------------------------------------------------------


async def test_the_same_client_comes_back_to_its_device_and_old_tokens_end(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    phone, person = await _signed_in(homeserver, kvnr)
    old_access, old_refresh = phone.access_token, phone.refresh_token
    again = PhoneClient(homeserver, device_id=phone.device_id)
    assert (await again.sign_in(claims(kvnr))).device_id == person.device_id
    assert again.device_rows(person.user_id) == 1
    assert (await phone.whoami())[0] == 401
    assert old_access != again.access_token
    assert _told(await phone.refresh(refresh_token=old_refresh)) == _DEAD
    assert (await again.whoami())[0] == 200


async def test_another_client_or_an_old_sign_in_keeps_its_device(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    phone, person = await _signed_in(homeserver, kvnr)
    before = await homeserver.sign_in(claims(kvnr), device_id="ABCDEFGHIJ")
    for device_id in (phone.device_id, before.device_id):
        other = PhoneClient(homeserver, FLUFFYCHAT_MOBILE, device_id=device_id)
        other.browser.stops_at = other.redirect_uri
        await other.register()
        with pytest.raises(RefusedError, match="invalid_scope"):
            await _walk_back(other, claims(kvnr))
    assert (await phone.whoami())[0] == 200
    assert (await homeserver.call(before, "GET", "/account/whoami"))[0] == 200
    assert person.user_id == before.user_id


async def _walk_back(phone: PhoneClient, said: dict[str, Any]) -> None:
    phone.homeserver.provider.claims = said
    address, page = await phone.browser.open(phone.request())
    chosen = next(one for one in page.links if "idp=oidc-gesundheitsid" in one)
    address, page = await phone.browser.open(f"{phone.homeserver.base}/_synapse/client/{chosen}")
    raise RefusedError(phone.read_answer(address.rstrip("#"))["error"])


async def test_signing_out_and_removing_the_device_elsewhere_end_the_session(homeserver: Homeserver) -> None:
    phone, person = await _signed_in(homeserver)
    assert (await homeserver.call(person, "POST", "/logout", {}))[0] == 200
    before = len(_audited(homeserver, person.user_id))
    assert _told(await phone.refresh()) == _DEAD
    # It is no replay: nothing of it is written down as one.
    assert len(_audited(homeserver, person.user_id)) == before


# -- Refreshes --------------------------------------------------------------------------------------------------------


async def test_a_refresh_whose_answer_was_lost_is_repeated(homeserver: Homeserver) -> None:
    phone, _ = await _signed_in(homeserver)
    first = phone.refresh_token
    assert (await phone.refresh())[0] == 200
    assert (await phone.refresh(refresh_token=first))[0] == 200
    assert (await phone.whoami())[0] == 200
    assert (await phone.refresh())[0] == 200


async def test_many_refreshes_at_once_leave_a_session_that_goes_on(homeserver: Homeserver) -> None:
    phone, _ = await _signed_in(homeserver)
    first = phone.refresh_token
    answers = [await asyncio.create_task(phone.refresh(refresh_token=first)) for _ in range(2)]
    answers += await asyncio.gather(*(phone.refresh(refresh_token=first) for _ in range(4)))
    assert {status for status, _ in answers} == {200}
    alive = []
    for _, content in answers:
        phone.access_token = content["access_token"]
        alive.append((await phone.whoami())[0] == 200)
    assert alive.count(True) == 1


async def test_a_refresh_token_that_is_played_again_ends_the_device(homeserver: Homeserver) -> None:
    phone, person = await _signed_in(homeserver)
    first = phone.refresh_token
    await phone.refresh()
    assert (await phone.whoami())[0] == 200
    assert _told(await phone.refresh(refresh_token=first)) == _DEAD
    assert (await phone.whoami())[0] == 401
    assert phone.device_rows(person.user_id) == 0
    assert _audited(homeserver, person.user_id)[-1] == ("oauth-session-ended", "refresh-token-replayed")


async def test_a_refresh_token_from_long_ago_ends_the_device_too(homeserver: Homeserver) -> None:
    phone, person = await _signed_in(homeserver)
    first = phone.refresh_token
    for _ in range(3):
        await phone.refresh()
        await phone.whoami()
    assert _told(await phone.refresh(refresh_token=first)) == _DEAD
    assert phone.device_rows(person.user_id) == 0


async def test_a_refresh_token_that_ran_out_signs_nobody_out_elsewhere(homeserver: Homeserver) -> None:
    phone, person = await _signed_in(homeserver)
    homeserver.change_row("UPDATE refresh_tokens SET expiry_ts = 1 WHERE user_id = ?", person.user_id)
    assert _told(await phone.refresh()) == _DEAD
    assert phone.device_rows(person.user_id) == 1
    assert _audited(homeserver, person.user_id)[-1][0] == "oauth-signed-in"


async def test_tokens_of_the_two_ways_do_not_mix(homeserver: Homeserver) -> None:
    phone, _ = await _signed_in(homeserver)
    kvnr = new_kvnr()
    token = await homeserver.login_token(claims(kvnr))
    body = {"type": "m.login.token", "token": token, "refresh_token": True}
    _, old_way = await homeserver.call(None, "POST", "/login", body)
    for refresh_token in (old_way["refresh_token"], "", "x", f"{'A' * 43}.{old_way['refresh_token']}"):
        status, content = await phone.post(
            "/token",
            data={"grant_type": "refresh_token", "client_id": phone.client_id, "refresh_token": refresh_token},
        )
        assert (status, content["error"]) in {_DEAD, (400, "invalid_request")}
    status, _ = await homeserver.call(None, "POST", "/refresh", {"refresh_token": phone.refresh_token})
    assert status == 401
    # Somebody else's token behind one's own secret.
    family = phone.refresh_token.partition(".")[0]
    assert _told(await phone.refresh(refresh_token=f"{family}.{old_way['refresh_token']}")) == _DEAD
    status, renewed = await homeserver.call(None, "POST", "/refresh", {"refresh_token": old_way["refresh_token"]})
    assert status == 200, renewed


async def test_another_client_cannot_refresh(homeserver: Homeserver) -> None:
    phone, _ = await _signed_in(homeserver)
    other = PhoneClient(homeserver, ELEMENT_DESKTOP)
    await other.register()
    assert _told(await phone.refresh(client_id=other.client_id)) == _DEAD
    assert _told(await phone.refresh(client_id="")) == (400, "invalid_request")
    assert (await phone.refresh())[0] == 200


# -- Locks ------------------------------------------------------------------------------------------------------------


async def test_a_locked_persons_client_keeps_what_it_has_and_goes_on_after_the_undo(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    phone, person = await _signed_in(homeserver, kvnr)
    await lock(homeserver, kvnr)
    for _ in range(2):
        status, content = await phone.refresh()
        assert (status, content["error"]) == (503, "temporarily_unavailable")
        assert "errcode" not in content
    assert (await phone.whoami())[0] == 401
    assert phone.device_rows(person.user_id) == 1
    await undo(homeserver, kvnr)
    assert (await phone.refresh())[0] == 200
    assert (await phone.who()).device_id == person.device_id


async def test_a_locked_person_may_sign_a_device_out(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    phone, person = await _signed_in(homeserver, kvnr)
    await lock(homeserver, kvnr)
    assert await phone.revoke(phone.refresh_token) == (200, {})
    assert phone.device_rows(person.user_id) == 0


# -- Revocation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
@pytest.mark.parametrize(
    "more", [{}, {"token_type_hint": "wrong"}, {"client_id": "another"}, {"token_type_hint": "access_token"}]
)
async def test_either_token_ends_the_device_whatever_is_said_beside_it(
    homeserver: Homeserver, which: str, more: dict[str, str]
) -> None:
    phone, person = await _signed_in(homeserver)
    assert await phone.revoke(getattr(phone, which), **more) == (200, {})
    assert (await phone.whoami())[0] == 401
    assert phone.device_rows(person.user_id) == 0
    assert not homeserver.rows("SELECT 1 FROM hek_oauth_session WHERE user_id = ?", person.user_id)
    assert _told(await phone.refresh()) == _DEAD
    assert await phone.revoke(getattr(phone, which)) == (200, {})


async def test_both_tokens_are_revoked_at_once(homeserver: Homeserver) -> None:
    phone, person = await _signed_in(homeserver)
    tokens = (phone.access_token, phone.refresh_token)
    assert await asyncio.gather(*map(phone.revoke, tokens)) == [(200, {})] * 2
    assert phone.device_rows(person.user_id) == 0


async def test_an_access_token_that_ran_out_still_ends_its_device_and_an_unknown_one_nothing(
    homeserver: Homeserver,
) -> None:
    phone, person = await _signed_in(homeserver)
    homeserver.change_row("UPDATE access_tokens SET valid_until_ms = 1 WHERE user_id = ?", person.user_id)
    devices = homeserver.count("devices")
    for unknown in ("syt_unknown", f"{'A' * 43}.syr_x", "ä", "x" * 5_000):
        assert await phone.revoke(unknown) == (200, {})
    assert homeserver.count("devices") == devices
    assert await phone.revoke(phone.access_token) == (200, {})
    assert phone.device_rows(person.user_id) == 0


# -- What is left -----------------------------------------------------------------------------------------------------


async def test_a_deactivated_account_keeps_no_session(homeserver: Homeserver) -> None:
    _, person = await _signed_in(homeserver)
    assert homeserver.rows("SELECT 1 FROM hek_oauth_session WHERE user_id = ?", person.user_id)
    await _deactivate(homeserver, person.user_id)
    await homeserver.until(
        lambda: not homeserver.rows("SELECT 1 FROM hek_oauth_session WHERE user_id = ?", person.user_id), within_s=120
    )
