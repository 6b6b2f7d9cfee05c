"""Draws the pages for docs/screenshots: ``python -m tests.directory_service.pages.screenshots``."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from aiohttp.test_utils import TestServer
from playwright.async_api import Page

from directory_service.app import open_application
from directory_service.settings import DirectorySettings
from sandbox.ports import reserve_port
from tests.browser import DESK, PHONE, chromium
from tests.directory_service.bench import Directory, HomeserverStandIn, settings_for
from tests.directory_service.pages.scene import fill, sign_in, sign_in_practice

FOLDER = Path(__file__).parents[3] / "docs" / "screenshots"


async def _draw(page: Page, name: str) -> None:
    await page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
    await page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")


async def _patient(page: Page, directory: Directory, name: str) -> None:
    await sign_in(page, directory)
    await page.get_by_label("Fachgebiet oder Name").fill("Hausarzt")
    await page.get_by_label("Postleitzahl oder Ort").fill("20099")
    await page.keyboard.press("Enter")
    await page.locator("li.practice").first.wait_for()
    await page.set_viewport_size({"width": DESK if name == "desk" else PHONE, "height": 1300})
    await _draw(page, f"praxissuche-{name}")


async def _suggestions(page: Page, directory: Directory) -> None:
    await sign_in(page, directory)
    await page.get_by_label("Fachgebiet oder Name").press_sequentially("haus")
    await page.get_by_role("option").first.wait_for()
    await page.screenshot(path=FOLDER / "praxissuche-vorschlaege.png", animations="disabled")


async def _details(page: Page, directory: Directory) -> None:
    await sign_in(page, directory)
    await page.get_by_label("Fachgebiet oder Name").fill("Sommer")
    await page.keyboard.press("Enter")
    await page.locator("li.practice").first.wait_for()
    for summary in await page.locator("li.practice").first.locator("summary").all():
        await summary.click()
    await page.locator("li.practice").first.screenshot(path=FOLDER / "praxissuche-praxis.png", animations="disabled")


async def _practice(page: Page, directory: Directory, name: str) -> None:
    await page.goto(f"{directory.url}/praxis")
    await _draw(page, f"praxis-anmelden-{name}")
    await sign_in_practice(page, directory)
    await _draw(page, f"praxis-{name}")


async def main() -> None:
    """Draws everything at the width of a desk and of a phone."""
    FOLDER.mkdir(exist_ok=True)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        port = reserve_port()
        homeserver = HomeserverStandIn(f"http://127.0.0.1:{port}")
        await stack.enter_async_context(TestServer(homeserver.application(), port=port))
        url, database = f"http://127.0.0.1:{reserve_port()}", f"sqlite:///{folder}/directory.db"
        settings = DirectorySettings.model_validate(
            settings_for(folder, url=url, homeserver=homeserver.url, database=database)
        )
        app = await stack.enter_async_context(open_application(settings))
        await stack.enter_async_context(TestServer(app, port=settings.listen.port))
        directory = Directory(settings, homeserver, await stack.enter_async_context(aiohttp.ClientSession()))
        await fill(directory)
        for name, width in (("desk", DESK), ("phone", PHONE)):
            for draw in (_patient, _practice):
                context = await stack.enter_async_context(chromium(width=width))
                await draw(await context.new_page(), directory, name)
        for draw_one in (_suggestions, _details):
            context = await stack.enter_async_context(chromium(width=DESK))
            await draw_one(await context.new_page(), directory)


if __name__ == "__main__":
    asyncio.run(main())
