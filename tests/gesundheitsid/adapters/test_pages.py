"""The broker's pages in a real browser: usable with the keyboard, on a phone, and without a fault for axe-core."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import aiohttp

from tests.browser import chromium, violations
from tests.gesundheitsid.scene import ASK, opened


async def test_an_insurer_is_chosen_with_the_keyboard(tmp_path: Path) -> None:
    async with opened(tmp_path, f"sqlite:///{tmp_path}/broker.db", choice=True) as scene, chromium() as context:
        page = await context.new_page()
        await page.goto(f"{scene.base}/authorize?{urlencode(ASK)}")
        assert await page.locator("html").get_attribute("lang") == "de"
        assert not await violations(page)
        await page.get_by_label("Ihre Krankenkasse").focus()
        await page.keyboard.type("HEK")
        assert await page.get_by_label("Ihre Krankenkasse").input_value() == scene.idp.issuer
        await page.keyboard.press("Tab")
        async with page.expect_request(lambda request: "request_uri=" in request.url) as asked:
            await page.keyboard.press("Enter")
        assert (await asked.value).url.startswith("http://127.0.0.1:1/pages/authorize?")


async def test_a_refusal_can_be_read_by_everybody(tmp_path: Path) -> None:
    async with opened(tmp_path, f"sqlite:///{tmp_path}/broker.db") as scene, chromium() as context:
        page = await context.new_page()
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url))
        answer = await page.goto(f"{scene.base}/callback?state=unknown")
        assert answer is not None
        assert answer.status == 400
        await page.get_by_role("heading", name="Was Sie tun können").wait_for()
        assert not await violations(page)
        assert all(address.startswith(scene.base) for address in loaded)
        async with aiohttp.ClientSession() as http, http.get(f"{scene.base}/style.css") as style:
            assert style.content_type == "text/css"
