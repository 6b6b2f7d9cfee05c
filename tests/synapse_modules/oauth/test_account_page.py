"""The person's own page: what it shows, what it changes only when she says so, and the reset of her identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.synapse_modules.browsing import Browser, Page
from tests.synapse_modules.homeserver_under_test import Homeserver, SignedIn, claims, new_kvnr
from tests.synapse_modules.oauth.phone_client import PhoneClient
from tests.synapse_modules.session_to_lock import lock
from tests.synapse_modules.test_key_confirmation import new_identity, shown, upload

_RESET = "org.matrix.cross_signing_reset"


class _Visit:
    """A person's browser on her page."""

    def __init__(self, homeserver: Homeserver, kvnr: str) -> None:
        self._homeserver = homeserver
        self._kvnr = kvnr
        self.at = f"{homeserver.base}/_synapse/client/sign_in/account"
        self.browser = Browser(stops_at="nowhere:")

    async def open(self, query: str = "") -> Page:
        """Opens a link to the page, and signs in if she is asked to."""
        self._homeserver.provider.claims = claims(self._kvnr)
        address, page = await self.browser.open(self.at + query)
        chosen = next((one for one in page.links if "idp=oidc-gesundheitsid" in one), None)
        if chosen is not None:
            address, page = await self.browser.open(f"{self._homeserver.base}/_synapse/client/{chosen}")
        assert address
        return page

    async def send(self, path: str, page: Page, **filled: str) -> Page:
        """Sends a form of a page."""
        return (await self.browser.open(self.at + path, page.hidden | filled))[1]


async def _phone_of(homeserver: Homeserver, kvnr: str) -> tuple[PhoneClient, SignedIn]:
    phone = PhoneClient(homeserver)
    return phone, await phone.sign_in(claims(kvnr))


async def _is_in(homeserver: Homeserver, who: SignedIn) -> bool:
    return (await homeserver.call(who, "GET", "/account/whoami"))[0] == 200


async def test_all_her_devices_are_shown_and_nobody_elses(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    _, phone = await _phone_of(homeserver, kvnr)
    before = await homeserver.sign_in(claims(kvnr))
    _, of_another = await _phone_of(homeserver, new_kvnr())
    page = await _Visit(homeserver, kvnr).open()
    assert "Meine Geräte" in page.text
    assert phone.device_id in page.text
    assert "App von element.io" in page.text
    assert before.device_id in page.text
    assert "App mit früherer Anmeldung" in page.text
    assert of_another.device_id not in page.text


@pytest.mark.parametrize(
    ("action", "heading"),
    [
        ("org.matrix.devices_list", "Meine Geräte"),
        ("org.matrix.sessions_list", "Meine Geräte"),
        ("sessions_list", "Meine Geräte"),
        ("org.matrix.profile", "Meine Geräte"),
        ("org.matrix.account_deactivate", "Meine Geräte"),
        ("<script>", "Meine Geräte"),
        ("org.matrix.device_view", "abmelden?"),
        ("org.matrix.session_view", "abmelden?"),
        ("session_view", "abmelden?"),
        ("org.matrix.device_delete", "abmelden?"),
        ("org.matrix.session_end", "abmelden?"),
        ("session_end", "abmelden?"),
        (_RESET, "Nichts zurückzusetzen"),
        ("cross_signing_reset", "Nichts zurückzusetzen"),
    ],
)
async def test_links_of_clients_lead_to_what_they_name_and_change_nothing(
    homeserver: Homeserver, action: str, heading: str
) -> None:
    kvnr = new_kvnr()
    _, phone = await _phone_of(homeserver, kvnr)
    page = await _Visit(homeserver, kvnr).open(f"?action={action}&device_id={phone.device_id}&id_token_hint=x")
    assert heading in page.text
    assert await _is_in(homeserver, phone)


async def test_one_device_or_all_others_are_signed_out(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    devices = [(await _phone_of(homeserver, kvnr))[1] for _ in range(2)]
    devices.append(await homeserver.sign_in(claims(kvnr)))
    kept = devices[0]
    visit = _Visit(homeserver, kvnr)
    page = await visit.open(f"?action=org.matrix.device_delete&device_id={devices[2].device_id}")
    assert "nie mehr" in page.text
    page = await visit.send("/sign-out", page, which="this")
    assert "Erledigt" in page.text
    assert [await _is_in(homeserver, one) for one in devices] == [True, True, False]
    page = await visit.open(f"?action=org.matrix.device_view&device_id={kept.device_id}")
    await visit.send("/sign-out", page, which="others")
    assert [await _is_in(homeserver, one) for one in devices] == [True, False, False]
    assert homeserver.rows("SELECT device_id FROM hek_oauth_session WHERE user_id = ?", kept.user_id) == [
        (kept.device_id,)
    ]


async def test_a_device_of_somebody_else_cannot_be_signed_out(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    _, mine = await _phone_of(homeserver, kvnr)
    _, of_another = await _phone_of(homeserver, new_kvnr())
    visit = _Visit(homeserver, kvnr)
    page = await visit.open(f"?action=org.matrix.device_delete&device_id={of_another.device_id}")
    assert "Meine Geräte" in page.text
    page = await visit.send("/sign-out", page, device_id=of_another.device_id, which="this")
    assert "schon abgemeldet" in page.text
    assert await _is_in(homeserver, mine)
    assert await _is_in(homeserver, of_another)


async def _wrong_word(_visit: _Visit, page: Page) -> None:
    page.hidden["csrf"] = "x" * 22


async def _no_word(_visit: _Visit, page: Page) -> None:
    del page.hidden["csrf"]


async def _no_cookie(visit: _Visit, _page: Page) -> None:
    visit.browser.cookies.pop("__Host-hek-account")


async def _made_up_cookie(visit: _Visit, _page: Page) -> None:
    visit.browser.cookies["__Host-hek-account"] = "gAAAAABnAAAA"


@pytest.mark.parametrize("forged", [_wrong_word, _no_word, _no_cookie, _made_up_cookie])
@pytest.mark.parametrize("path", ["/sign-out", "/reset", "/leave"])
async def test_a_form_that_is_not_of_her_visit_changes_nothing(
    homeserver: Homeserver, forged: Callable[[_Visit, Page], Any], path: str
) -> None:
    kvnr = new_kvnr()
    _, phone = await _phone_of(homeserver, kvnr)
    visit = _Visit(homeserver, kvnr)
    page = await visit.open(f"?action=org.matrix.device_delete&device_id={phone.device_id}")
    await forged(visit, page)
    page = await visit.send(path, page, which="this")
    assert "noch einmal an" in page.text
    assert await _is_in(homeserver, phone)


async def test_whoever_is_locked_is_out_of_her_page(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    _, phone = await _phone_of(homeserver, kvnr)
    visit = _Visit(homeserver, kvnr)
    page = await visit.open(f"?action=org.matrix.device_delete&device_id={phone.device_id}")
    await lock(homeserver, kvnr)
    page = await visit.send("/sign-out", page, which="this")
    assert "noch einmal an" in page.text
    page = await visit.open()
    assert "Mitgliedschaft" in page.text
    assert homeserver.rows("SELECT 1 FROM devices WHERE device_id = ?", phone.device_id)


async def test_a_visit_that_she_left_is_over(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    await _phone_of(homeserver, kvnr)
    visit = _Visit(homeserver, kvnr)
    page = await visit.open()
    assert "verlassen" in (await visit.send("/leave", page)).text
    assert visit.browser.cookies["__Host-hek-account"] == ""


# -- The reset of an identity -----------------------------------------------------------------------------------------


async def _asked(homeserver: Homeserver, who: SignedIn, identity: dict[str, Any]) -> str:
    """The page that the client is told to open."""
    status, content = await homeserver.call(who, "POST", "/keys/device_signing/upload", identity)
    assert status == 401, content
    assert content["flows"] == [{"stages": ["m.oauth"]}, {"stages": [_RESET]}]
    assert content["params"]["m.oauth"] == content["params"][_RESET]
    return str(content["params"]["m.oauth"]["url"])


async def _approve(homeserver: Homeserver, kvnr: str, address: str) -> Page:
    visit = _Visit(homeserver, kvnr)
    assert address.startswith(visit.at)
    page = await visit.open("?" + urlsplit(address).query)
    assert "nie mehr" in page.text
    return await visit.send("/reset", page)


async def test_the_first_identity_is_free_and_the_next_one_needs_her(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    _, phone = await _phone_of(homeserver, kvnr)
    first, second = new_identity(phone.user_id), new_identity(phone.user_id)
    assert await upload(homeserver, phone, first) == 200
    assert await upload(homeserver, phone, first) == 200
    address = await _asked(homeserver, phone, second)
    assert parse_qs(urlsplit(address).query) == {"action": [_RESET], "device_id": [phone.device_id]}
    for _ in range(3):
        await _asked(homeserver, phone, second)
    assert await shown(homeserver, phone) == first["master_key"]["keys"]
    assert "Sie können in Ihre App zurück" in (await _approve(homeserver, kvnr, address)).text
    # Element X repeats the upload as it was, without a session and without "auth".
    assert await upload(homeserver, phone, second) == 200
    assert await shown(homeserver, phone) == second["master_key"]["keys"]
    # It was approved once.
    await _asked(homeserver, phone, first)
    audited = homeserver.rows("SELECT what FROM hek_audit WHERE user_id = ? ORDER BY at", phone.user_id)
    assert audited[-1] == ("identity-reset-approved",)


async def test_no_other_device_and_no_other_keys_ride_on_an_approval(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    _, phone = await _phone_of(homeserver, kvnr)
    _, stolen = await _phone_of(homeserver, kvnr)
    old_way = await homeserver.sign_in(claims(kvnr))
    first, second, third = (new_identity(phone.user_id) for _ in range(3))
    assert await upload(homeserver, phone, first) == 200
    await _approve(homeserver, kvnr, await _asked(homeserver, phone, second))
    assert await upload(homeserver, stolen, second) == 401
    assert await upload(homeserver, stolen, third) == 401
    assert await upload(homeserver, old_way, second) == 401
    assert await shown(homeserver, phone) == first["master_key"]["keys"]
    assert await upload(homeserver, phone, second) == 200


async def test_asking_for_other_keys_takes_the_approval_back(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    _, phone = await _phone_of(homeserver, kvnr)
    first, second, third = (new_identity(phone.user_id) for _ in range(3))
    assert await upload(homeserver, phone, first) == 200
    await _approve(homeserver, kvnr, await _asked(homeserver, phone, second))
    assert await upload(homeserver, phone, third) == 401
    assert await upload(homeserver, phone, second) == 401


async def test_keys_that_were_exchanged_while_she_read_are_not_approved(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    _, phone = await _phone_of(homeserver, kvnr)
    first, second, third = (new_identity(phone.user_id) for _ in range(3))
    assert await upload(homeserver, phone, first) == 200
    address = await _asked(homeserver, phone, second)
    visit = _Visit(homeserver, kvnr)
    page = await visit.open("?" + urlsplit(address).query)
    await _asked(homeserver, phone, third)
    assert "Nichts zurückzusetzen" in (await visit.send("/reset", page)).text
    assert await upload(homeserver, phone, third) == 401


@pytest.mark.parametrize("column", ["asked_at", "approved_at"])
async def test_after_ten_minutes_nothing_is_asked_and_nothing_approved(homeserver: Homeserver, column: str) -> None:
    kvnr = new_kvnr()
    _, phone = await _phone_of(homeserver, kvnr)
    first, second = new_identity(phone.user_id), new_identity(phone.user_id)
    assert await upload(homeserver, phone, first) == 200
    address = await _asked(homeserver, phone, second)
    if column == "approved_at":
        await _approve(homeserver, kvnr, address)
    homeserver.change_row(
        f"UPDATE hek_identity_reset SET {column} = {column} - 601000 WHERE user_id = ?",
        phone.user_id,
    )
    if column == "asked_at":
        page = await _Visit(homeserver, kvnr).open("?" + urlsplit(address).query)
        assert "Nichts zurückzusetzen" in page.text
    assert await upload(homeserver, phone, second) == 401
    assert await shown(homeserver, phone) == first["master_key"]["keys"]


async def test_somebody_else_cannot_approve(homeserver: Homeserver) -> None:
    _, phone = await _phone_of(homeserver, new_kvnr())
    first, second = new_identity(phone.user_id), new_identity(phone.user_id)
    assert await upload(homeserver, phone, first) == 200
    address = await _asked(homeserver, phone, second)
    other = new_kvnr()
    await _phone_of(homeserver, other)
    page = await _Visit(homeserver, other).open("?" + urlsplit(address).query)
    assert "Nichts zurückzusetzen" in page.text
    assert await upload(homeserver, phone, second) == 401


async def test_clients_of_the_old_way_confirm_as_they_did(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    assert await upload(homeserver, person, new_identity(person.user_id)) == 200
    status, content = await homeserver.call(person, "POST", "/keys/device_signing/upload", new_identity(person.user_id))
    assert status == 401
    assert {"stages": ["m.login.sso"]} in content["flows"]
    assert "m.oauth" not in str(content["flows"])
