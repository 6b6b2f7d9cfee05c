"""The directory's pages with the whole system: a real homeserver says who comes, and forgets that anybody came."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

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
