"""Who gets in to the pages: live insured people, and practices with their code; cookies and forms cannot be forged."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from directory_service.adapters.pages.sign_in_states import SignInStates
from directory_service.store.tables import page_session
from messenger_core.database import make_engine
from messenger_core.service_auth.keys import generate_private_key
from tests.directory_service.bench import ERIKA, KEYS, PROFILE, SERVER_NAME, SOMMER, Directory
from tests.directory_service.pages.scene import code_for
from tests.directory_service.pages.visitor import Visitor, patient

PRACTICE = f"@practice-{SOMMER[2:]}:{SERVER_NAME}"
OTHER_KEY = generate_private_key()
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
    for _ in range(300):  # seldom enough for the limit of sign-ins
        if (await directory.authenticate(probe, "probe"))[0] == 403:
            return
        await asyncio.sleep(0.2)
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
    status, text = await visitor.open("GET", "/praxissuche")
    assert (status, "Abmelden" in text) == (200, False)
    status, text = await visitor.open("GET", "/praxissuche/anmelden")
    assert (status, "Ihr Konto ist gesperrt" in text) == (403, True)
    await followed(directory, ERIKA, "undone")
    status, text = await visitor.open("GET", "/praxissuche")
    assert (status, "Abmelden" in text) == (200, False), "the lock ended the session for good"
    status, text = await visitor.open("GET", "/praxissuche/anmelden")
    assert (status, "Abmelden" in text) == (200, True)


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
    assert (await victim.open("GET", "/praxissuche/angemeldet?state=x&loginToken=used"))[0] == 400
    own = SignInStates(KEYS.signing).issue(datetime.now(UTC))
    victim.cookies["__Host-hek-sign-in"] = own
    assert (await victim.open("GET", f"/praxissuche/angemeldet?state={own}&loginToken=used"))[0] == 403
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
    assert (status, "Angaben speichern" in text) == (403, False), "what it stands on is gone, so the session is"


async def test_without_the_homeserver_nothing_is_saved(directory: Directory) -> None:
    visitor = await practice(directory)
    directory.homeserver.down = True
    form = {"name": "Neu", "specialties": "ALLG"}
    form |= {f"address.{name}": str(PROFILE["address"][name]) for name in ("line", "postcode", "city")}  # type: ignore[index]
    status, text = await visitor.open("POST", "/praxis/profil", visitor.hidden | form)
    assert (status, "Der Messenger antwortet gerade nicht" in text) == (503, True)
    assert await directory.found("sommer")


@pytest.mark.parametrize(
    ("content_type", "body"), [("text/plain", b"x"), ("application/x-www-form-urlencoded", b"a=" + b"x" * 600_000)]
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


async def test_sign_out_ends_the_session_for_every_copy_of_the_cookie(directory: Directory) -> None:
    for visitor, path in ((await patient(directory), "/praxissuche"), (await practice(directory), "/praxis")):
        thief = Visitor(directory)
        thief.cookies = dict(visitor.cookies)
        assert "Abmelden" in (await thief.open("GET", path))[1], "a copy is as good as the cookie, while it lasts"
        assert (await visitor.open("POST", f"{path}/abmelden", visitor.hidden))[0] == 200
        status, text = await thief.open("GET", path)
        assert (status, "Abmelden" in text) == (200, False)


async def test_a_session_that_is_not_used_ends(directory: Directory) -> None:
    visitor = await patient(directory)
    engine = make_engine(directory.settings.database)
    idle_ms = directory.settings.pages.idle_minutes * 60_000
    for earlier_ms, is_in in ((idle_ms - 60_000, True), (idle_ms, False)):
        async with engine.begin() as connection:
            await connection.execute(page_session.update().values(used_at=page_session.c.used_at - earlier_ms))
        assert ("Abmelden" in (await visitor.open("GET", "/praxissuche"))[1]) is is_in, earlier_ms
    await engine.dispose()


async def test_a_new_key_and_leaving_end_whatever_stands_on_the_key_before(directory: Directory) -> None:
    """Page session, search token, access token and a code that was not used yet; a new sign-in is not hindered."""
    for end in ("key", "leaving"):
        visitor = await practice(directory)
        key, code = await directory.practice_joins(), await code_for(directory)
        await visitor.open("POST", "/praxis/anmelden", {"code": await code_for(directory)})
        token = await directory.search_token(PRACTICE)
        async with directory.client(SOMMER, key) as software:
            assert (await software.answer("GET", "/owner/practice", scope="practice:write"))[0] == 200
            assert await may_search(directory, token)
            assert "Abmelden" in (await visitor.open("GET", "/praxis"))[1]
            if end == "key":
                assert (await directory.register(directory.statement(SOMMER, OTHER_KEY), OTHER_KEY))[0] == 201
            else:
                assert (await directory.as_practice(key, "POST", "/owner/withdraw", {}))[0] == 200
            assert (await software.answer("GET", "/owner/practice", scope="practice:write"))[0] == 401
        assert not await may_search(directory, token)
        assert "Abmelden" not in (await visitor.open("GET", "/praxis"))[1]
        assert (await Visitor(directory).open("POST", "/praxis/anmelden", {"code": code}))[0] == 422
        if end == "key":
            assert await may_search(directory, await directory.search_token(PRACTICE))
            assert (await visitor.open("POST", "/praxis/anmelden", {"code": await code_for(directory)}))[0] == 200


async def test_joining_again_with_the_same_key_ends_nothing(directory: Directory) -> None:
    visitor = await practice(directory)
    key = generate_private_key()
    assert (await directory.register(directory.statement(SOMMER, key), key))[0] == 201
    await visitor.open("POST", "/praxis/anmelden", {"code": await code_for(directory)})
    assert (await directory.register(directory.statement(SOMMER, key), key))[0] == 201
    assert "Abmelden" in (await visitor.open("GET", "/praxis"))[1]


async def may_search(directory: Directory, token: str) -> bool:
    """Whether a practice's search token is good."""
    asked = f"{directory.url}/search/Organization"
    async with directory.http.get(asked, headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status in {200, 401}
        return answer.status == 200
