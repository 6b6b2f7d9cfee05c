"""On the narrowest window that WCAG names, 320 px, nothing of either page has to be scrolled sideways, in any state."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser import NARROWEST, chromium, wider_than_the_window
from tests.directory_service.bench import FULL_PROFILE, SOMMER, Directory, messenger
from tests.directory_service.pages.scene import code_for, fill, sign_in

LANGUAGES = ("de", "en")
# Words of a length that names, notes and addresses really have, and longer ones that somebody may enter.
WIDE: dict[str, Any] = FULL_PROFILE | {
    "name": "Hausarztpraxis " + "Gemeinschaftspraxisverbund" * 3,
    "address": {"line": "Bürgermeisterschlüterwegstraße" * 3, "postcode": "20099", "city": "Hamburg"},
    "accessibility": [{"feature": "barrierefrei", "grade": "partly", "note": "Aufzugsschlüsselausgabestelle" * 5}],
    "messengers": [
        messenger("@sprechstundentermine:praxis-in-der-buergermeisterschlueterwegstrasse.hamburg.example"),
        messenger(f"@{'termine' * 9}:praxis-sommer.example", "tim-bot"),
    ],
    "absence": {
        "first_day": "2026-12-28",
        "last_day": "2027-01-03",
        "substitute": {"text": "Urlaubsvertretungspraxis" * 6, "telephone": "040 123456"},
    },
}


class _Walk:
    """Somebody with a narrow window, who looks at each state that the page is in."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def look(self, state: str) -> None:
        """Everything is within the window, with whatever can be opened opened, and so is the way out."""
        await self.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert not await wider_than_the_window(self.page), state
        language = await self.page.locator("html").get_attribute("lang")
        signing_out = self.page.get_by_role("button", name="Sign out" if language == "en" else "Abmelden")
        if await signing_out.count():
            box = await signing_out.bounding_box()
            assert box is not None
            assert (box["x"] >= 0, box["x"] + box["width"] <= NARROWEST) == (True, True), state

    async def press(self, selector: str, then: str) -> None:
        """Presses what is there and waits for what follows."""
        await self.page.locator(selector).first.click()
        await self.page.locator(then).first.wait_for()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_no_state_of_the_search_is_wider_than_the_window(directory: Directory, language: str) -> None:
    await fill(directory)
    await directory.practice_joins("1-2099", profile=WIDE)
    async with chromium(width=NARROWEST) as context:
        page = await context.new_page()
        walk = _Walk(page)
        await page.goto(f"{directory.url}/praxissuche?language={language}")
        await walk.look("before signing in")
        await sign_in(page, directory)
        await walk.look("the empty form with its filters")
        submit = "#search .actions .button"
        await walk.press(submit, "#what-error")
        await walk.look("nothing was entered")
        await page.locator("#what").press_sequentially("haus")
        await page.get_by_role("option").first.wait_for()
        await walk.look("suggestions")
        await page.locator("#what").fill("Hausarzt")
        await page.locator("#place").fill("Hamburk")
        await walk.press(submit, "li.practice")
        await walk.look("results with meanings, hours, distances and QR codes")
        await page.locator("#what").fill("Gemeinschaftspraxisverbund")
        await page.locator("#place").fill("")
        await walk.press(submit, "li.practice")
        await walk.look("one practice with all that it can say")
        await page.locator("#what").fill("a" * 200)
        await walk.press(submit, "section.results")
        await walk.look("nothing was found")
        await page.locator("#what").fill("Hausarzt")
        await page.locator("#place").fill("Nirgendwohausen" * 10)
        await walk.press(submit, "#place-error")
        await walk.look("a place that nobody knows")
        await page.locator(".tools form button").click()
        await page.locator(".card.narrow").wait_for()
        await walk.look("signed out")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_no_state_of_the_practices_page_is_wider_than_the_window(directory: Directory, language: str) -> None:
    await directory.practice_joins(profile=WIDE, opts_in=False)
    async with chromium(width=NARROWEST) as context:
        page = await context.new_page()
        walk = _Walk(page)
        await page.goto(f"{directory.url}/praxis?language={language}")
        await walk.look("before signing in")
        await page.locator("#code").fill("BBBBB-BBBBB")
        await page.keyboard.press("Enter")
        await page.locator("#code-error").wait_for()
        await walk.look("a wrong code")
        await page.locator("#code").fill(await code_for(directory, SOMMER))
        await page.keyboard.press("Enter")
        await page.locator("#profile").wait_for()
        await walk.look("the whole form")
        save = "#profile .actions .button"
        await page.locator("[id='address.postcode']").fill("12")
        await page.get_by_role("textbox").nth(0).fill("")
        await page.locator("[id='absence.last_day']").fill("2020-01-01")
        await walk.press(save, ".summary")
        await walk.look("faults beside their fields")
        await page.goto(f"{directory.url}/praxis")
        await walk.press(save, ".done")
        await walk.look("saved")
        await walk.press("button[name=visible][value=yes]", "#agreed-error")
        await walk.look("without consent")
        await page.locator("#agreed").check()
        await walk.press("button[name=visible][value=yes]", ".state.shown")
        await walk.look("shown")
        await walk.press("button[name=visible][value=no]", "#agreed")
        await walk.look("paused")
        await walk.press(".danger", "#leave-error")
        await walk.look("leaving without being sure")
        await page.locator("#leave").check()
        await walk.press(".danger", ".card.narrow")  # who left is signed out, too
        await walk.look("left")
