"""A person in a real browser: signs in with GesundheitsID, is refused with a reason; every page passes axe-core."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, Request

from sandbox.story.stage import open_stage
from tests.browser import accept_terms_if_asked, chromium, violations

if TYPE_CHECKING:
    from tests.system.conftest import Sandbox


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """An empty page of a real Chromium, as wide as a phone."""
    async with chromium() as context:
        yield await context.new_page()


@pytest.fixture
async def client() -> AsyncIterator[str]:
    """A person's Matrix client as far as a browser sees it: the address that it waits at."""

    async def signed_in(_request: web.Request) -> web.Response:
        return web.Response(text="signed in")

    app = web.Application()
    app.router.add_get("/signed-in", signed_in)
    server = TestServer(app)
    await server.start_server(access_log=None)
    yield str(server.make_url("/signed-in"))
    await server.close()


async def start(page: Page, sandbox: Sandbox, client: str) -> list[str]:
    """Opens the sign-in as a client does; returns the list that gathers which hosts are asked."""
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(urlsplit(request.url).hostname or "")

    page.on("request", note)
    path = "/_matrix/client/v3/login/sso/redirect/oidc-gesundheitsid"
    await page.goto(f"{sandbox.ready['homeserver']}{path}?redirectUrl={client}")
    return asked


async def choose(page: Page, sandbox: Sandbox, name: str) -> None:
    await identify(page, name, sandbox.ready["people"][name]["pin"])


async def identify(page: Page, name: str, pin: str) -> None:
    await page.locator(f"input[name=person][value={name}]").check()
    await page.get_by_label("PIN").fill(pin)
    await page.keyboard.press("Enter")


async def accept_terms(page: Page) -> None:
    """The one step that a first sign-in has more; the terms themselves open beside it."""
    await page.get_by_role("heading", name="Noch ein Schritt").wait_for()
    assert not await violations(page)
    async with page.expect_popup() as opened:
        await page.get_by_role("link", name="Nutzungsbedingungen und Datenschutzhinweise").click()
    terms = await opened.value
    await terms.get_by_role("heading", name="Nutzungsbedingungen und Datenschutzhinweise").wait_for()
    assert "112" in await terms.inner_text("main")
    assert not await violations(terms)
    await page.get_by_role("button", name="Zustimmen").click()
    assert "accepted_version" not in page.url
    await page.get_by_label("Ich stimme den Nutzungsbedingungen zu").check()
    await page.keyboard.press("Enter")


async def confirm(page: Page) -> None:
    await page.get_by_role("link", name="Weiter").click()
    await page.wait_for_url("**/signed-in?**")
    assert parse_qs(urlsplit(page.url).query)["loginToken"]


async def test_a_person_signs_in_with_the_keyboard(page: Page, sandbox: Sandbox, client: str) -> None:
    async with open_stage(sandbox.directory) as stage:
        newcomer = stage.erika
    asked = await start(page, sandbox, client)
    assert await page.locator("html").get_attribute("lang") == "de"
    assert not await violations(page)
    await identify(page, newcomer.name, newcomer.pin)
    await accept_terms(page)
    await page.get_by_role("heading", name="Fast geschafft").wait_for()
    assert urlsplit(client).netloc in await page.inner_text("main")
    assert not await violations(page)
    await confirm(page)
    assert set(asked) == {"127.0.0.1"}


async def test_a_wrong_pin_is_told_and_can_be_mended(page: Page, sandbox: Sandbox, client: str) -> None:
    await start(page, sandbox, client)
    await page.locator("input[name=person][value=max]").check()
    pin = sandbox.ready["people"]["max"]["pin"]
    await page.get_by_label("PIN").fill("000000" if pin != "000000" else "111111")
    await page.keyboard.press("Enter")
    assert "PIN" in await page.get_by_role("alert").inner_text()
    assert not await violations(page)
    await choose(page, sandbox, "max")
    await accept_terms_if_asked(page, page.get_by_role("heading", name="Fast geschafft"))
    await confirm(page)


async def test_whoever_does_not_say_how_is_asked(page: Page, sandbox: Sandbox, client: str) -> None:
    await page.goto(f"{sandbox.ready['homeserver']}/_matrix/client/v3/login/sso/redirect?redirectUrl={client}")
    assert not await violations(page)
    await page.get_by_role("link", name="GesundheitsID", exact=True).click()
    await page.get_by_label("PIN").wait_for()


@pytest.mark.parametrize(("name", "reason"), [("otto", "HEK"), ("lena", "elektronische")])
async def test_a_refusal_is_a_page_that_says_what_to_do(
    page: Page, sandbox: Sandbox, client: str, name: str, reason: str
) -> None:
    await start(page, sandbox, client)
    await choose(page, sandbox, name)
    await page.get_by_role("heading", name="Anmeldung nicht möglich").wait_for()
    text = await page.inner_text("main")
    assert reason in text
    assert sandbox.ready["people"][name]["kvnr"] not in text
    assert "loginToken" not in page.url
    assert await page.locator("html").get_attribute("lang") == "de"
    assert not await violations(page)
