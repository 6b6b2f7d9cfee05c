"""Who gets in to the pages: live insured people, and practices with their code; cookies and forms cannot be forged."""

from __future__ import annotations

import asyncio

import pytest

from tests.directory_service.bench import ERIKA, PROFILE, SERVER_NAME, SOMMER, Directory
from tests.directory_service.pages.scene import code_for
from tests.directory_service.pages.visitor import Visitor, patient

PRACTICE = f"@practice-{SOMMER[2:]}:{SERVER_NAME}"
AGENT = f"@agent.berg:{SERVER_NAME}"


async def practice(directory: Directory) -> Visitor:
    """A practice that has signed in to its page."""
    await directory.practice_joins()
    visitor = Visitor(directory)
    status, _ = await visitor.open("POST", "/praxis/anmelden", {"code": await code_for(directory)})
    assert status == 200
    return visitor


async def followed(directory: Directory, user_id: str, what: str, kind: str = "insured") -> None:
    """Something happens to an account; returns when the directory has heard of it."""
    directory.homeserver.kinds[user_id] = kind
    # Changes are followed in their order: when a later one is known, so is this one.
    probe = f"@probe-{len(directory.homeserver.changes)}:{SERVER_NAME}"
    directory.homeserver.changes += [(user_id, what), (probe, "locked")]
    directory.homeserver.openid["probe"] = probe
    for _ in range(500):
        if (await directory.authenticate(probe, "probe"))[0] == 403:
            return
        await asyncio.sleep(0.02)
    pytest.fail("the directory does not follow the homeserver's changes")


async def test_signing_in_leaves_no_device_and_only_private_cookies(directory: Directory) -> None:
    visitor = await patient(directory)
    assert directory.homeserver.devices == {}
    assert set(visitor.cookies) == {"__Host-hek-search", "hek-language"}
    directory.homeserver.openid.clear()
    status, text = await visitor.open("GET", "/praxissuche")
    assert (status, "Praxen suchen" in text) == (200, True)
    assert visitor.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in visitor.headers["Content-Security-Policy"]
    assert "unsafe" not in visitor.headers["Content-Security-Policy"]


async def test_a_device_is_ended_also_if_the_sign_in_fails(directory: Directory) -> None:
    directory.homeserver.visitor = "@erika:elsewhere.example"
    status, text = await Visitor(directory).open("GET", "/praxissuche/anmelden")
    assert (status, "nicht gelungen" in text) == (403, True)
    assert directory.homeserver.devices == {}


async def test_a_locked_person_is_out_at_once_and_does_not_get_in(directory: Directory) -> None:
    visitor = await patient(directory)
    await followed(directory, ERIKA, "locked")
    for path in ("/praxissuche", "/praxissuche/anmelden"):
        status, text = await visitor.open("GET", path)
        assert (status, "Ihr Konto ist gesperrt" in text) == (403, True)
    await followed(directory, ERIKA, "undone")
    assert (await visitor.open("GET", "/praxissuche"))[0] == 200


async def test_practices_and_agents_are_no_patients(directory: Directory) -> None:
    await directory.practice_joins()
    await followed(directory, AGENT, "account-made", "agent")
    for user_id in (PRACTICE, AGENT):
        directory.homeserver.visitor = user_id
        status, text = await Visitor(directory).open("GET", "/praxissuche/anmelden")
        assert (status, "Nur für Versicherte" in text) == (403, True), user_id
    directory.homeserver.openid["of-the-agent"] = AGENT
    assert (await directory.authenticate(AGENT, "of-the-agent"))[0] == 403


async def test_a_way_back_that_another_browser_began_leads_nowhere(directory: Directory) -> None:
    victim = Visitor(directory)
    for path in ("/praxissuche/angemeldet?state=x&loginToken=y", "/praxissuche/angemeldet"):
        assert (await victim.open("GET", path))[0] == 400
    victim.cookies["__Host-hek-sign-in"] = "another"
    assert (await victim.open("GET", "/praxissuche/angemeldet?state=x&loginToken=y"))[0] == 400
    victim.cookies["__Host-hek-sign-in"] = "x"
    assert (await victim.open("GET", "/praxissuche/angemeldet?state=x&loginToken=used"))[0] == 403
    assert "__Host-hek-search" not in victim.cookies


async def test_a_session_is_good_for_its_own_page_alone(directory: Directory) -> None:
    visitor = await patient(directory)
    token = visitor.cookies["__Host-hek-search"]
    for cookie in ("__Host-hek-practice", "__Host-hek-search"):
        stranger = Visitor(directory)
        stranger.cookies[cookie] = token if cookie.endswith("practice") else await directory.search_token()
        status, text = await stranger.open("GET", "/praxis" if cookie.endswith("practice") else "/praxissuche")
        assert (status, "Abmelden" in text) == (200, False)
    async with directory.http.get(
        f"{directory.url}/fdv/search/Organization", headers={"Authorization": f"Bearer {token}"}
    ) as answer:
        assert answer.status == 401


@pytest.mark.parametrize("path", ["profil", "sichtbarkeit", "austritt", "abmelden"])
async def test_a_form_of_another_site_changes_nothing(directory: Directory, path: str) -> None:
    visitor = await practice(directory)
    forged = {"etag": visitor.hidden["etag"], "visible": "no", "leave": "yes", "csrf": "0" * 64}
    status, text = await visitor.open("POST", f"/praxis/{path}", forged)
    assert (status, "Diese Seite war veraltet" in text) == (403, True)
    assert await directory.found("hausarztpraxis")


async def test_the_address_of_a_form_leads_to_the_page_that_has_it(directory: Directory) -> None:
    visitor = await practice(directory)
    for path in ("profil", "sichtbarkeit", "austritt", "anmelden", "abmelden"):
        status, text = await visitor.open("GET", f"/praxis/{path}")
        assert (status, "Angaben speichern" in text) == (200, True)


async def test_another_site_signs_nobody_in(directory: Directory) -> None:
    await directory.practice_joins()
    form = {"code": await code_for(directory)}
    assert (await Visitor(directory).open("POST", "/praxis/anmelden", form, Sec_Fetch_Site="cross-site"))[0] == 403
    assert (await Visitor(directory).open("POST", "/praxis/anmelden", form, Sec_Fetch_Site="same-origin"))[0] == 200


async def test_a_practice_that_left_gets_no_code_and_cannot_write(directory: Directory) -> None:
    key = await directory.practice_joins()
    visitor = Visitor(directory)
    await visitor.open("POST", "/praxis/anmelden", {"code": await code_for(directory)})
    hidden = dict(visitor.hidden)
    assert (await directory.as_practice(key, "POST", "/owner/withdraw", {}))[0] == 200
    for user_id in (PRACTICE, ERIKA):
        status, _ = await directory.as_homeserver(
            "POST", "/practice-sign-in-codes", "practice:sign-in", {"user_id": user_id}
        )
        assert status == 404
    status, text = await visitor.open("POST", "/praxis/sichtbarkeit", hidden | {"visible": "no"})
    assert (status, "hat das Verzeichnis verlassen" in text) == (412, True)


async def test_without_the_homeserver_nothing_is_saved(directory: Directory) -> None:
    visitor = await practice(directory)
    directory.homeserver.down = True
    form = {"name": "Neu", "specialties": "ALLG"}
    form |= {f"address.{name}": str(PROFILE["address"][name]) for name in ("line", "postcode", "city")}  # type: ignore[index]
    status, text = await visitor.open("POST", "/praxis/profil", visitor.hidden | form)
    assert (status, "Der Messenger antwortet gerade nicht" in text) == (503, True)
    assert await directory.found("sommer")


@pytest.mark.parametrize(
    ("content_type", "body"), [("text/plain", b"x"), ("application/x-www-form-urlencoded", b"a=" + b"x" * 300_000)]
)
async def test_what_is_no_form_is_refused_with_a_page(directory: Directory, content_type: str, body: bytes) -> None:
    for path in ("/praxissuche", "/praxis/profil"):
        async with directory.http.post(
            directory.url + path, data=body, headers={"Content-Type": content_type}
        ) as answer:
            assert (answer.status, answer.content_type) in {(400, "text/html"), (413, "text/html")}


async def test_files_of_the_pages_may_be_kept_for_ever(directory: Directory) -> None:
    _, text = await Visitor(directory).open("GET", "/")
    addresses = [part.split('"')[0] for part in text.split('"/pages/')[1:]]
    assert len(addresses) == 3
    for address in addresses:
        async with directory.http.get(f"{directory.url}/pages/{address}") as answer:
            assert (answer.status, "immutable" in answer.headers["Cache-Control"]) == (200, True)
