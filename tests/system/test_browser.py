"""A person in a real browser: signs in with GesundheitsID, is refused with a reason; every page passes axe-core."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, Request, async_playwright

from sandbox.headless_sign_in import RETURN_ADDRESS
from tests.conftest import lacking

if TYPE_CHECKING:
    from tests.system.conftest import Sandbox

# A browser that asks for nothing by itself: what it requests, a page asked for.
_OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
_TIMEOUT_MS = 60_000


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """An empty page of a real Chromium, as wide as a phone."""
    chromium = shutil.which("chromium")
    if chromium is None:
        lacking("Chromium (Debian package chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=_OPTIONS)
        page = await browser.new_page(viewport={"width": 390, "height": 844}, locale="de-DE")
        page.set_default_timeout(_TIMEOUT_MS)
        yield page
        await browser.close()


async def start(page: Page, sandbox: Sandbox) -> list[str]:
    """Opens the sign-in as a client does; returns the list that gathers which hosts are asked."""
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(urlsplit(request.url).hostname or "")

    page.on("request", note)
    # Nobody listens where a client would; what the address says is enough.
    await page.route(f"{RETURN_ADDRESS}**", lambda route: route.fulfill(status=200, body="signed in"))
    path = "/_matrix/client/v3/login/sso/redirect/oidc-gesundheitsid"
    await page.goto(f"{sandbox.ready['homeserver']}{path}?redirectUrl={RETURN_ADDRESS}")
    return asked


async def choose(page: Page, sandbox: Sandbox, name: str) -> None:
    person = sandbox.ready["people"][name]
    await page.locator(f"input[name=person][value={name}]").check()
    await page.get_by_label("PIN").fill(person["pin"])
    await page.keyboard.press("Enter")


async def violations(page: Page) -> list[str]:
    """What axe-core finds, by rule."""
    found = await Axe().run(page)
    return [violation["id"] for violation in found.response["violations"]]


async def test_a_person_signs_in_with_the_keyboard(page: Page, sandbox: Sandbox) -> None:
    asked = await start(page, sandbox)
    assert await page.locator("html").get_attribute("lang") == "de"
    assert not await violations(page)
    await choose(page, sandbox, "jonas")
    await page.wait_for_url(f"{RETURN_ADDRESS}**")
    assert parse_qs(urlsplit(page.url).query)["loginToken"]
    assert set(asked) <= {"127.0.0.1", "localhost"}


async def test_a_wrong_pin_is_told_and_can_be_mended(page: Page, sandbox: Sandbox) -> None:
    await start(page, sandbox)
    await page.locator("input[name=person][value=max]").check()
    pin = sandbox.ready["people"]["max"]["pin"]
    await page.get_by_label("PIN").fill("000000" if pin != "000000" else "111111")
    await page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    assert "PIN" in await alert.inner_text()
    assert not await violations(page)
    await choose(page, sandbox, "max")
    await page.wait_for_url(f"{RETURN_ADDRESS}**")


@pytest.mark.parametrize("name", ["otto", "lena"])
async def test_a_refusal_is_a_page_that_says_what_to_do(page: Page, sandbox: Sandbox, name: str) -> None:
    await start(page, sandbox)
    await choose(page, sandbox, name)
    await page.get_by_role("heading").first.wait_for()
    text = await page.inner_text("main")
    assert "HEK" in text
    assert sandbox.ready["people"][name]["kvnr"] not in text
    assert "loginToken" not in page.url
    assert await page.locator("html").get_attribute("lang") == "de"
    assert not await violations(page)
