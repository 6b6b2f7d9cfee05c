"""The directory's pages with the whole system: a real homeserver says who comes, and forgets that anybody came."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from playwright.async_api import Page

from tests.browser import accept_terms_if_asked, chromium, violations

if TYPE_CHECKING:
    from tests.system.conftest import Sandbox


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """An empty page of a real Chromium, as wide as a phone."""
    async with chromium() as context:
        yield await context.new_page()


async def identify(page: Page, name: str, pin: str) -> None:
    """Signs in at the identity provider."""
    await page.locator(f"input[name=person][value={name}]").check()
    await page.get_by_label("PIN").fill(pin)
    await page.keyboard.press("Enter")


async def enter(page: Page, sandbox: Sandbox, name: str) -> None:
    """Signs a person in at the search page, with her GesundheitsID."""
    await page.goto(f"{sandbox.ready['directory']}/praxissuche")
    await page.get_by_role("link", name="Mit GesundheitsID anmelden").click()
    await identify(page, name, sandbox.ready["people"][name]["pin"])


def logs(sandbox: Sandbox) -> str:
    return "".join(path.read_text() for path in Path(sandbox.ready["log_dir"]).glob("*.log"))


def devices(sandbox: Sandbox) -> list[str]:
    """The names of devices that sign-ins at the page have left at the homeserver."""
    path = sandbox.ready["database"]["homeserver"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as connection:
        rows = connection.execute("SELECT device_id FROM devices WHERE display_name = 'Praxissuche'").fetchall()
    return [device for (device,) in rows]


async def test_an_insured_person_finds_a_practice_in_her_browser(page: Page, sandbox: Sandbox) -> None:
    await enter(page, sandbox, "jonas")
    await accept_terms_if_asked(page, page.get_by_label("Fachgebiet oder Name"))
    await page.get_by_label("Fachgebiet oder Name").fill("Hausarztpraxis Sommer")
    await page.get_by_label("Postleitzahl oder Ort").fill("20249")
    await page.keyboard.press("Enter")
    link = page.get_by_role("link", name="Chat anfragen bei Hausarztpraxis Dr. Sommer")
    localpart = str(sandbox.ready["practices"]["sommer"]["user_id"]).removeprefix("@")
    assert await link.get_attribute("href") == f"matrix:u/{localpart}?action=chat"
    assert not await violations(page)
    assert devices(sandbox) == []
    assert "Hausarztpraxis Sommer" not in logs(sandbox)
    await page.get_by_role("button", name="Abmelden").click()
    await page.goto(f"{sandbox.ready['directory']}/praxissuche")
    await page.get_by_role("link", name="Mit GesundheitsID anmelden").wait_for()


async def test_somebody_insured_elsewhere_does_not_get_in(page: Page, sandbox: Sandbox) -> None:
    await enter(page, sandbox, "otto")
    await page.get_by_role("heading", name="Anmeldung nicht möglich").wait_for()
    await page.goto(f"{sandbox.ready['directory']}/praxissuche")
    assert await page.get_by_label("Fachgebiet oder Name").count() == 0


async def test_an_agent_who_signs_in_on_the_same_way_does_not_get_in(page: Page, sandbox: Sandbox) -> None:
    await page.goto(f"{sandbox.ready['directory']}/praxissuche")
    await page.route("**/oidc-gesundheitsid?**", lambda route: route.abort())
    async with page.expect_request("**/oidc-gesundheitsid?**") as asked:
        await page.evaluate("location.href = '/praxissuche/anmelden'")
    await page.unroute_all()
    await page.goto((await asked.value).url.replace("oidc-gesundheitsid", "oidc-staff"))
    await identify(page, "tal", "333444")
    await page.get_by_role("heading", name="Nur für Versicherte").wait_for()
    assert devices(sandbox) == []


async def code_shown_to(sandbox: Sandbox, name: str) -> str:
    """What a practice's client shows when somebody types ``anmeldecode`` into its search box."""
    account = sandbox.sign_in(name)
    address = f"{sandbox.ready['homeserver']}/_matrix/client/v3/user_directory/search"
    headers = {"Authorization": f"Bearer {account['access_token']}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(address, json={"search_term": "anmeldecode", "limit": 10}) as answer,
    ):
        (hit,) = (await answer.json())["results"]
    return str(hit["display_name"]).partition(" ")[0]


async def test_a_practice_without_software_keeps_its_entry(page: Page, sandbox: Sandbox) -> None:
    await page.goto(f"{sandbox.ready['directory']}/praxis")
    code = await code_shown_to(sandbox, "herbst")
    await page.get_by_label("Anmeldecode").fill(code)
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Praxis Dr. Herbst").wait_for()
    await page.get_by_label("Polnisch").check()
    await page.get_by_role("button", name="Angaben speichern").click()
    await page.get_by_text("Ihre Angaben sind gespeichert.").wait_for()
    status, own = sandbox.call("herbst", "GET", "directory:/owner/practice")
    assert (status, own["state"], "pl" in own["languages"]) == (200, "opted-in", True)
    assert code not in logs(sandbox)
