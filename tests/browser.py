"""A real Chromium for tests of pages: as wide as a phone or a desk, and checked by axe-core."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Locator, Page, async_playwright

from tests.conftest import lacking

PHONE, DESK = 390, 1200
# What WCAG 2.2 asks for under reflow (1.4.10): the narrowest phones, and a desk at 400 %.
NARROWEST = 320
# A browser that asks for nothing by itself: what it requests, a page asked for.
_OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
_TIMEOUT_MS = 60_000


@asynccontextmanager
async def chromium(*, width: int = PHONE, **options: Any) -> AsyncIterator[BrowserContext]:
    """A browser without a past; ``options`` are those of Playwright's contexts."""
    path = shutil.which("chromium")
    if path is None:
        lacking("Chromium (Debian package chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_OPTIONS)
        context = await browser.new_context(viewport={"width": width, "height": 844}, locale="de-DE", **options)
        context.set_default_timeout(_TIMEOUT_MS)
        try:
            yield context
        finally:
            await browser.close()


async def violations(page: Page) -> list[str]:
    """What axe-core finds, by rule and place."""
    found = await Axe().run(page)
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found.response["violations"]]


async def wider_than_the_window(page: Page) -> list[str]:
    """What stands out of the window to the left or right, by its beginning; the page itself if it scrolls sideways.

    What is for screen readers alone has no place on the screen and is left out.
    """
    found: list[str] = await page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          const out = [...document.body.querySelectorAll("*")].filter((one) => {
            const { left, right, width: own, height } = one.getBoundingClientRect();
            // A text box shows a part of what is in it; of everything else, what does not fit stands out of it.
            const end = one.matches("input, textarea") ? right : Math.max(right, left + one.scrollWidth);
            return own > 1 && height > 1 && !one.closest(".vh, .skip") && (left < -0.5 || end > width + 0.5);
          }).map((one) => one.outerHTML.slice(0, 120));
          return document.documentElement.scrollWidth > width ? [document.title, ...out] : out;
        }"""
    )
    return found


async def accept_terms_if_asked(page: Page, otherwise: Locator) -> None:
    """Takes the one step that a person's first sign-in has more; ``otherwise`` is what she sees without it."""
    asked = page.get_by_label("Ich stimme den Nutzungsbedingungen zu")
    await asked.or_(otherwise).first.wait_for()
    if await asked.count():
        await asked.check()
        await page.keyboard.press("Enter")
