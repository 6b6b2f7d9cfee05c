"""A patient in a real browser: searches by keyboard, by phone, without scripts, in both languages; nothing leaks."""

from __future__ import annotations

import logging
from io import BytesIO
from urllib.parse import urlsplit

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import BrowserContext, Page, Request

from tests.browser import DESK, PHONE, chromium, violations, wider_than_the_window
from tests.directory_service.bench import ERIKA, Directory
from tests.directory_service.pages.scene import fill, sign_in

LABELS = {
    "de": (
        "Fachgebiet oder Name",
        "Postleitzahl oder Ort",
        "Praxen suchen",
        "Weitere Filter",
        "Öffnungszeiten und mehr",
    ),
    "en": ("Specialty or name", "Postcode or city", "Search", "More filters", "Opening hours and more"),
}


# The bench's own servers write access lines; the component writes none (http_service).
_OTHERS = {"aiohttp.access"}


async def signed_in(context: BrowserContext, directory: Directory) -> Page:
    page = await context.new_page()
    await sign_in(page, directory)
    return page


async def names(page: Page) -> list[str]:
    return await page.locator("li.practice h3").all_inner_texts()


async def search(page: Page, what: str = "", place: str = "", *, language: str = "de") -> None:
    what_label, place_label, submit, _, _ = LABELS[language]
    await page.get_by_label(what_label).fill(what)
    await page.get_by_label(place_label).fill(place)
    await page.get_by_role("button", name=submit, exact=True).click()


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("width", [PHONE, DESK])
async def test_every_state_of_the_page_is_accessible_and_fits(directory: Directory, width: int, language: str) -> None:
    await fill(directory)
    _, _, submit, filters, more = LABELS[language]
    async with chromium(width=width) as context:
        page = await context.new_page()
        await page.goto(f"{directory.url}/praxissuche?language={language}")
        assert await page.locator("html").get_attribute("lang") == language
        assert not await violations(page)
        await sign_in(page, directory)
        await page.get_by_text(filters).click()
        assert not await violations(page)
        await page.get_by_role("button", name=submit, exact=True).click()
        fault = page.locator("#what-error")
        await fault.wait_for()
        assert await page.locator("#what").get_attribute("aria-invalid") == "true"
        assert not await violations(page)
        await search(page, "Hausarzt", "20099", language=language)
        await page.locator("li.practice").first.wait_for()
        for summary in await page.locator("li.practice summary").all():
            await summary.click()
        assert await page.get_by_text(more).first.is_visible()
        assert not await violations(page)
        assert not await wider_than_the_window(page)
        for number in ("112", "116117"):
            assert await page.locator(f"a[href='tel:{number}']").is_visible()


async def test_with_the_keyboard_alone_from_a_suggestion_to_the_results(directory: Directory) -> None:
    await fill(directory)
    async with chromium(width=DESK) as context:
        page = await signed_in(context, directory)
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.keyboard.type("hausar")
        box = page.get_by_role("combobox", name=LABELS["de"][0])
        await page.get_by_role("option").first.wait_for()
        assert await box.get_attribute("aria-expanded") == "true"
        assert not await violations(page)
        await page.keyboard.press("ArrowDown")
        chosen = page.locator("[role=option][aria-selected=true]")
        assert await chosen.text_content() == "Hausarzt = Allgemeinmedizin, Innere Medizin"
        assert await box.get_attribute("aria-activedescendant") == await chosen.get_attribute("id")
        await page.keyboard.press("Enter")
        assert await box.input_value() == "Hausarzt"
        await page.keyboard.press("Enter")
        await page.locator("li.practice").first.wait_for()
        assert await page.evaluate("document.activeElement.id") == "found"
        meaning = await page.inner_text(".meaning")
        assert "„Hausarzt“ steht hier für: Allgemeinmedizin, Innere Medizin" in meaning
        assert "Innere Medizin auch „Hausarzt“ ist, steht nicht im Verzeichnis; bitte fragen Sie sie." in meaning
        only = page.get_by_role("button", name="Nur Innere Medizin")
        await only.focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="3 Praxen gefunden").wait_for()


async def test_without_scripts_everything_but_suggestions_works(directory: Directory) -> None:
    await fill(directory)
    async with chromium(java_script_enabled=False) as context:
        page = await signed_in(context, directory)
        await page.get_by_label(LABELS["de"][0]).fill("Müller")
        await page.get_by_role("button", name="English").click()
        assert await page.get_by_label(LABELS["en"][0]).input_value() == "Müller"
        assert await page.locator(".results").count() == 0
        await page.get_by_role("button", name="Deutsch").click()
        await search(page, "Müller", "Lübeck")
        assert await names(page) == ["Praxis Dr. Müller-Lüdenscheidt"]
        await page.get_by_role("button", name="English").click()
        assert await names(page) == ["Praxis Dr. Müller-Lüdenscheidt"]
        assert await page.get_by_text("1 practice found").is_visible()
        assert not await page.get_by_role("button", name="Use my location").is_visible()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("heading", name="You are signed out").wait_for()
        assert not [cookie for cookie in await context.cookies() if cookie["name"].startswith("__Host-")]


async def test_what_is_searched_stands_in_no_address_and_in_no_log(
    directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(directory)
    asked: list[Request] = []
    caplog.set_level(logging.DEBUG, "directory_service")
    async with chromium() as context:
        page = await signed_in(context, directory)
        page.on("request", lambda request: asked.append(request))  # noqa: PLW0108 - Playwright marks its handlers
        await page.get_by_label(LABELS["de"][0]).press_sequentially("kardiolog")
        await page.get_by_role("option").first.wait_for()
        await search(page, "Kardiologie", "20099")
        await page.locator("li.practice").first.wait_for()
        assert urlsplit(page.url)._replace(netloc="", scheme="").geturl() == "/praxissuche"
    assert {urlsplit(request.url).netloc for request in asked} == {urlsplit(directory.url).netloc}
    assert [request.method for request in asked if "vorschlaege" in request.url]
    for word in ("kardiolog", "20099", ERIKA):
        assert not [request.url for request in asked if word in request.url.lower()]
        assert word not in "".join(record.getMessage() for record in caplog.records if record.name not in _OTHERS)


async def test_the_own_place_is_asked_for_only_when_the_button_is_pressed(directory: Directory) -> None:
    await fill(directory)
    here = {"latitude": 53.5534567, "longitude": 9.9921234}
    async with chromium(geolocation=here, permissions=["geolocation"]) as context:
        page = await signed_in(context, directory)
        assert await page.locator("input[name=latitude]").input_value() == ""
        await page.get_by_role("button", name="Meinen Standort verwenden").click()
        await page.wait_for_function("document.getElementById('place').value === 'Mein Standort'")
        assert await page.locator("input[name=latitude]").input_value() == "53.553"
        await page.get_by_label(LABELS["de"][0]).fill("")
        await page.get_by_role("button", name="Praxen suchen").click()
        found = await names(page)
        assert found[0] == "Kardiologie am Dom"
        assert "Hautarzt Dr. Weiß" not in found
        assert await page.get_by_text("entfernt (Luftlinie)").count() == len(found)


async def test_a_chat_is_asked_for_by_a_matrix_link_and_a_drawing(directory: Directory) -> None:
    await fill(directory)
    async with chromium() as context:
        page = await signed_in(context, directory)
        await search(page, "Kardiologie")
        link = page.get_by_role("link", name="Chat anfragen bei Kardiologie am Dom")
        assert await link.get_attribute("href") == "matrix:u/practice-2001:messenger.example?action=chat"
        await page.get_by_text("QR-Code und andere Wege").click()
        drawn = Image.open(BytesIO(await page.get_by_role("img", name="QR-Code").screenshot()))
        read = [code.text for code in zxingcpp.read_barcodes(drawn)]
        assert read == ["matrix:u/practice-2001:messenger.example?action=chat"]
        assert await page.get_by_text("@practice-2001:messenger.example").is_visible()
        assert "matrix.to" not in await page.content()
