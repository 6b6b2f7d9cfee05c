"""What ordinary clients do with a session: renew it, lose it, confirm by a sign-in, have it ended from outside."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.synapse_modules.browsing import Browser
from tests.synapse_modules.homeserver_under_test import Homeserver, SignedIn, SignInRefused, claims, new_kvnr

_NOWHERE = "http://localhost/never"


async def renewable(homeserver: Homeserver, kvnr: str) -> dict[str, Any]:
    """Signs in as a client that can renew its token."""
    token = await homeserver.login_token(claims(kvnr))
    body = {"type": "m.login.token", "token": token, "refresh_token": True}
    status, answer = await homeserver.call(None, "POST", "/login", body)
    assert status == 200
    return answer


def device(answer: dict[str, Any]) -> SignedIn:
    return SignedIn(answer["user_id"], answer["access_token"], answer["device_id"])


async def test_a_client_renews_its_token_once_with_each_refresh_token(homeserver: Homeserver) -> None:
    first = await renewable(homeserver, new_kvnr())
    assert 0 < first["expires_in_ms"] <= 15 * 60 * 1000
    status, second = await homeserver.call(None, "POST", "/refresh", {"refresh_token": first["refresh_token"]})
    assert status == 200
    renewed = SignedIn(first["user_id"], second["access_token"], first["device_id"])
    assert (await homeserver.call(renewed, "GET", "/account/whoami"))[1]["device_id"] == first["device_id"]
    # The old access token runs out by itself; what could renew it is gone.
    status, _ = await homeserver.call(None, "POST", "/refresh", {"refresh_token": first["refresh_token"]})
    assert status == 403


async def test_a_token_that_ran_out_is_a_soft_logout_and_the_device_comes_back(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    answer = await renewable(homeserver, kvnr)
    homeserver.change_row("UPDATE access_tokens SET valid_until_ms = 1 WHERE token = ?", answer["access_token"])
    status, refused = await homeserver.call(device(answer), "GET", "/account/whoami")
    assert (status, refused["errcode"], refused["soft_logout"]) == (401, "M_UNKNOWN_TOKEN", True)
    status, renewed = await homeserver.call(None, "POST", "/refresh", {"refresh_token": answer["refresh_token"]})
    assert status == 200
    again = await homeserver.sign_in(claims(kvnr), device_id=answer["device_id"])
    assert (again.user_id, again.device_id) == (answer["user_id"], answer["device_id"])
    assert renewed["access_token"] != again.access_token


async def test_a_device_that_was_not_heard_of_for_six_months_has_to_sign_in_again(homeserver: Homeserver) -> None:
    answer = await renewable(homeserver, new_kvnr())
    [(expires_at,)] = homeserver.rows("SELECT expiry_ts FROM refresh_tokens WHERE token = ?", answer["refresh_token"])
    assert abs(expires_at - (time.time() + 26 * 7 * 86_400) * 1000) < 3_600_000
    homeserver.change_row("UPDATE refresh_tokens SET expiry_ts = 1 WHERE token = ?", answer["refresh_token"])
    assert (await homeserver.call(None, "POST", "/refresh", {"refresh_token": answer["refresh_token"]}))[0] == 403


async def _confirm(homeserver: Homeserver, session: str, said: dict[str, Any]) -> str:
    """Confirms in the browser that it is she; returns what is to be read at the end."""
    homeserver.provider.claims = said
    browser = Browser(stops_at=_NOWHERE)
    start = f"{homeserver.base}/_matrix/client/v3/auth/m.login.sso/fallback/web?session={session}"
    address, page = await browser.open(start)
    assert "Bitte bestätigen Sie" in page.text
    [link] = [link for link in page.links if "/authorize" in link]
    _, page = await browser.open(link if "://" in link else address)
    return page.text


async def test_what_needs_a_confirmation_is_confirmed_by_a_sign_in_of_the_same_person(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    one, other = await homeserver.sign_in(claims(kvnr)), await homeserver.sign_in(claims(kvnr))
    body: dict[str, Any] = {"devices": [other.device_id]}

    async def session() -> str:
        status, asked = await homeserver.call(one, "POST", "/delete_devices", body)
        assert status == 401
        assert {"stages": ["m.login.sso"]} in asked["flows"]
        return str(asked["session"])

    async def deleted(auth: dict[str, Any]) -> int:
        return (await homeserver.call(one, "POST", "/delete_devices", body | {"auth": auth}))[0]

    key = {"type": "de.hek.login.private_key_jwt", "identifier": {"type": "m.id.user", "user": one.user_id}}
    assert await deleted(key | {"assertion": "x", "session": await session()}) in {400, 401, 403}
    somebody_else, weak = claims(new_kvnr()), claims(kvnr, acr="gematik-ehealth-loa-substantial")
    elsewhere = claims(kvnr, **{"urn:telematik:claims:organization": "109500969"})
    for said in (somebody_else, weak, elsewhere):
        asked = await session()
        assert "nicht die Person" in await _confirm(homeserver, asked, said)
        assert await deleted({"session": asked}) in {401, 403}
    asked = await session()
    assert "Vielen Dank" in await _confirm(homeserver, asked, claims(kvnr))
    assert await deleted({"session": asked}) == 200
    assert (await homeserver.call(other, "GET", "/account/whoami"))[0] == 401
    assert (await homeserver.call(one, "GET", "/account/whoami"))[0] == 200


async def _end_session(homeserver: Homeserver, token: str) -> int:
    address = f"{homeserver.base}/_synapse/client/oidc/backchannel_logout"
    async with aiohttp.ClientSession() as http, http.post(address, data={"logout_token": token}) as answer:
        return answer.status


@pytest.mark.parametrize("named_by_sub_too", [True, False])
async def test_the_provider_ends_the_session_that_it_names_and_no_other(
    homeserver: Homeserver, *, named_by_sub_too: bool
) -> None:
    kvnr = new_kvnr()
    ended = await homeserver.sign_in(claims(kvnr, sid=f"{kvnr}-ended"))
    kept = await homeserver.sign_in(claims(kvnr, sid=f"{kvnr}-kept"))
    subject = {"sub": f"pairwise-{kvnr}"} if named_by_sub_too else {}
    token = homeserver.provider.logout_token("gesundheitsid", sid=f"{kvnr}-ended", **subject)
    assert await _end_session(homeserver, token) == 200
    assert (await homeserver.call(ended, "GET", "/account/whoami"))[0] == 401
    assert (await homeserver.call(kept, "GET", "/account/whoami"))[0] == 200


async def test_a_session_is_ended_only_by_its_own_provider(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    person = await homeserver.sign_in(claims(kvnr, sid=kvnr))
    for token in (
        homeserver.provider.logout_token("staff", sid=kvnr),
        homeserver.provider.logout_token("gesundheitsid", sid=kvnr, aud="somebody-else"),
        homeserver.provider.logout_token("gesundheitsid", sid=kvnr, events={}),
        homeserver.provider.logout_token("gesundheitsid", sid=kvnr)[:-4] + "AAAA",
        "not a token",
    ):
        assert await _end_session(homeserver, token) in {200, 400}
        assert (await homeserver.call(person, "GET", "/account/whoami"))[0] == 200


async def test_the_terms_are_accepted_before_there_is_an_account_and_it_is_kept_which_and_when(
    homeserver: Homeserver,
) -> None:
    kvnr, before = new_kvnr(), homeserver.count("users")
    with pytest.raises(SignInRefused, match="Noch ein Schritt, Erika Muster"):
        await homeserver.sign_in(claims(kvnr), accepts_terms=False)
    assert homeserver.count("users") == before
    person = await homeserver.sign_in(claims(kvnr))
    [(version, at)] = homeserver.rows("SELECT consent_version, consent_ts FROM users WHERE name = ?", person.user_id)
    assert version == "1.0"
    assert abs(at - time.time() * 1000) < 600_000
    assert (await homeserver.sign_in(claims(kvnr), accepts_terms=False)).user_id == person.user_id
    status, page = await homeserver.get_page("/_matrix/consent?v=1.0")
    assert status == 200
    for promise in ("112", "24 Stunden", "fünf Jahren", "sechs Monate", "die HEK nicht"):
        assert promise in page.text


async def test_a_person_has_one_account_however_many_devices_and_however_fast(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    tokens = [await homeserver.login_token(claims(kvnr)) for _ in range(3)]
    users = set()
    for token in tokens:
        status, answer = await homeserver.call(None, "POST", "/login", {"type": "m.login.token", "token": token})
        assert status == 200
        users.add(answer["user_id"])
    assert len(users) == 1
    [user_id] = users
    status, _ = await homeserver.call(None, "GET", f"/profile/{quote(user_id)}")
    assert status == 401
