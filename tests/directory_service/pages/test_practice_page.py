"""A practice in a real browser keeps its entry by hand: the same rules, the same audit log, nothing overwritten."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.async_api import Page

from directory_service.adapters.pages.practice_page import CONSENT_TEXT
from directory_service.rules.profile_types import LONGEST_NOTE, MOST_BLOCKS, MOST_SPECIAL_DAYS
from directory_service.store.tables import audit
from messenger_core.database import make_engine
from tests.browser import DESK, PHONE, chromium, violations, wider_than_the_window
from tests.directory_service.bench import FULL_PROFILE, PROFILE, SOMMER, WINTER, Directory, messenger
from tests.directory_service.pages.scene import code_for, sign_in_practice


async def save(page: Page) -> None:
    await page.get_by_role("button", name="Angaben speichern").click()


async def happened(directory: Directory) -> list[tuple[str, str, str | None]]:
    """What the audit log says: what, by whom, and the version of the text."""
    engine = make_engine(directory.settings.database)
    async with engine.connect() as connection:
        rows = (await connection.execute(sa.select(audit.c.what, audit.c.by, audit.c.consent_text))).all()
    await engine.dispose()
    return [(row.what, row.by, row.consent_text) for row in rows]


@pytest.mark.parametrize("width", [PHONE, DESK])
async def test_every_state_of_the_page_is_accessible_and_fits(directory: Directory, width: int) -> None:
    await directory.practice_joins(profile=FULL_PROFILE, opts_in=False)
    async with chromium(width=width) as context:
        page = await context.new_page()
        await page.goto(f"{directory.url}/praxis")
        assert not await violations(page)
        await page.locator("#code").fill("BBBBB-BBBBB")
        await page.keyboard.press("Enter")
        await page.locator("#code-error").wait_for()
        assert not await violations(page)
        await sign_in_practice(page, directory)
        assert not await violations(page)
        assert not await wider_than_the_window(page)
        await page.locator("[id='address.postcode']").fill("12")
        await save(page)
        await page.locator("[id='address.postcode-error']").wait_for()
        assert not await violations(page)
        assert await page.title() == "Fehler: Ihre Praxis im Verzeichnis – HEK Messenger"
        await page.goto(f"{directory.url}/praxis?language=en")
        assert await page.get_by_role("button", name="Save details").is_visible()
        assert not await violations(page)


async def test_saving_what_is_shown_changes_no_word(directory: Directory) -> None:
    said: dict[str, Any] = dict(FULL_PROFILE)
    said["messengers"] = [*said["messengers"], messenger("@intern:praxis-sommer.example", hide_from_insured=True)]
    key = await directory.practice_joins(profile=said)
    before = (await directory.as_practice(key, "GET", "/owner/practice"))[1]
    async with chromium(java_script_enabled=False) as context:
        page = await context.new_page()
        await sign_in_practice(page, directory)
        await save(page)
        await page.get_by_text("Ihre Angaben sind gespeichert.").wait_for()
    assert (await directory.as_practice(key, "GET", "/owner/practice"))[1] == before


async def test_the_largest_profile_can_be_saved_by_hand(directory: Directory) -> None:
    stretches = [
        {"opens": f"{8 + 2 * number:02}:00", "closes": f"{9 + 2 * number:02}:00"} for number in range(MOST_BLOCKS)
    ]
    special = [
        {
            "day": (date(2027, 1, 1) + timedelta(days=number)).isoformat(),
            "blocks": stretches,
            "reason": "notdienst",
            "note": "ä" * LONGEST_NOTE,
        }
        for number in range(MOST_SPECIAL_DAYS)
    ]
    weekly = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), stretches)
    key = await directory.practice_joins(
        profile={**FULL_PROFILE, "opening_hours": {"weekly": weekly, "special": special}}
    )
    before = (await directory.as_practice(key, "GET", "/owner/practice"))[1]
    assert len(before["opening_hours"]["special"]) == MOST_SPECIAL_DAYS
    async with chromium(java_script_enabled=False) as context:
        page = await context.new_page()
        await sign_in_practice(page, directory)
        await save(page)
        await page.get_by_text("Ihre Angaben sind gespeichert.").wait_for()
    assert (await directory.as_practice(key, "GET", "/owner/practice"))[1] == before


async def test_changing_the_language_keeps_what_was_entered_and_saves_nothing(directory: Directory) -> None:
    key = await directory.practice_joins(profile=FULL_PROFILE)
    async with chromium(java_script_enabled=False) as context:
        page = await context.new_page()
        await sign_in_practice(page, directory)
        await page.get_by_label("Straße und Hausnummer").fill("Neuer Weg 2")
        await page.get_by_label("Türkisch").check()
        await page.get_by_label("Montag, 2. Zeitraum, bis").fill("19:00")
        await page.get_by_role("button", name="English").click()
        await page.get_by_text("What you changed is not saved yet.").wait_for()
        assert await page.get_by_label("Street and number").input_value() == "Neuer Weg 2"
        assert await page.get_by_label("Turkish").is_checked()
        assert await page.get_by_label("Monday, stretch 2, to").input_value() == "19:00"
        stored = (await directory.as_practice(key, "GET", "/owner/practice"))[1]
        assert (stored["address"]["line"], "tr" in stored["languages"]) == ("Lange Reihe 1", False)
        await page.get_by_label("Street and number").press("Enter")
        await page.get_by_text("Your details are saved.").wait_for()
    stored = (await directory.as_practice(key, "GET", "/owner/practice"))[1]
    assert (stored["address"]["line"], "tr" in stored["languages"]) == ("Neuer Weg 2", True)


async def test_a_practice_becomes_visible_pauses_and_leaves_by_hand(directory: Directory) -> None:
    key = await directory.practice_joins(profile=None, opts_in=False)
    async with chromium() as context:
        page = await context.new_page()
        await sign_in_practice(page, directory)
        assert await page.get_by_role("button", name="Sichtbar werden").count() == 0
        await page.get_by_label("Straße und Hausnummer").fill("Lange Reihe 1")
        await page.get_by_label("Postleitzahl").fill("20099")
        await page.get_by_label("Ort", exact=True).fill("Hamburg")
        await page.get_by_label("Fachgebiet 1").select_option(label="Kardiologie")
        await page.get_by_label("Ukrainisch").check()
        await page.get_by_label("Jede Woche zu diesen Zeiten").check()
        await page.get_by_label("Montag, 1. Zeitraum, von").fill("08:00")
        await page.get_by_label("Montag, 1. Zeitraum, bis").fill("00:00")
        await page.locator("[id='absence.first_day']").fill("2027-02-01")
        await page.locator("[id='absence.last_day']").fill("2027-02-05")
        await save(page)
        await page.get_by_text("Ihre Angaben sind gespeichert.").wait_for()
        assert await directory.found("kardiologie") == []
        await page.get_by_role("button", name="Sichtbar werden").click()
        assert "Ohne Ihre Zustimmung" in await page.get_by_role("alert").inner_text()
        assert not await violations(page)
        await page.get_by_label("Ich stimme für die Praxis zu.").check()
        await page.get_by_role("button", name="Sichtbar werden").click()
        await page.get_by_text("Ihre Praxis ist jetzt sichtbar.").wait_for()
        assert len(await directory.found("kardiologie")) == 1
        own = (await directory.as_practice(key, "GET", "/owner/practice"))[1]
        assert own["opening_hours"]["weekly"]["mon"] == [{"opens": "08:00", "closes": "24:00"}]
        assert (own["languages"], own["absence"]["last_day"]) == (["uk"], "2027-02-05")
        assert own["consent"]["text_version"] == CONSENT_TEXT
        await page.get_by_role("button", name="Pausieren").click()
        await page.get_by_text("Ihre Praxis ist pausiert.").wait_for()
        assert await directory.found("kardiologie") == []
        await page.get_by_label("Ja, die Praxis soll das Verzeichnis verlassen.").check()
        await page.get_by_role("button", name="Verzeichnis verlassen").click()
        await page.get_by_role("heading", name="Ihre Praxis hat das Verzeichnis verlassen").wait_for()
        assert not await violations(page)
    assert [entry for entry in await happened(directory) if entry[1] == SOMMER] == [
        ("profile-written", SOMMER, None),
        ("opted-in", SOMMER, CONSENT_TEXT),
        ("paused", SOMMER, CONSENT_TEXT),
        ("withdrawn", SOMMER, None),
    ]


async def test_each_fault_stands_beside_its_field_and_in_the_summary(directory: Directory) -> None:
    key = await directory.practice_joins(profile=FULL_PROFILE)
    async with chromium() as context:
        page = await context.new_page()
        await sign_in_practice(page, directory)
        await page.get_by_label("Name der Praxis").fill("")
        await page.get_by_label("Fachgebiet 2").select_option(label="Allgemeinmedizin")
        await page.get_by_label("Montag, 2. Zeitraum, von").fill("11:00")
        await page.get_by_label("Besonderer Tag 2, 1. Zeitraum, bis").fill("09:00")
        await page.locator("[id='absence.last_day']").fill("2020-01-01")
        await page.locator("[id='absence.substitute.telephone']").fill("abc")
        await page.get_by_label("Kennung 2: Matrix-ID").fill("@fremd:messenger.example")
        await save(page)
        summary = page.get_by_role("alert")
        await summary.wait_for()
        places = [
            "name", "specialties", "opening_hours.weekly.mon", "opening_hours.special.1", "absence.last_day",
            "absence.substitute.telephone",
        ]  # fmt: skip
        for place in places:
            assert await page.locator(f"[id='{place}-error']").is_visible(), place
            assert await summary.locator(f"a[href='#{place}-error']").count() == 1, place
        assert await summary.get_by_role("link").count() == len(places)
        assert await page.get_by_label("Kennung 2: Matrix-ID").input_value() == "@fremd:messenger.example"
        assert not await violations(page)
        await page.reload()
    assert (await directory.as_practice(key, "GET", "/owner/practice"))[1]["name"] == FULL_PROFILE["name"]


async def test_somebody_elses_account_is_no_address_of_the_practice(directory: Directory) -> None:
    await directory.practice_joins(profile=FULL_PROFILE)
    async with chromium() as context:
        page = await context.new_page()
        await sign_in_practice(page, directory)
        await page.get_by_label("Kennung 3: Matrix-ID").fill("@erika:messenger.example")
        await save(page)
        assert "nur Ihr eigenes Konto möglich" in await page.locator("[id='messengers.2-error']").inner_text()


async def test_what_was_written_meanwhile_is_not_overwritten(directory: Directory) -> None:
    key = await directory.practice_joins(profile=FULL_PROFILE)
    async with chromium() as context:
        page = await context.new_page()
        await sign_in_practice(page, directory)
        meanwhile = PROFILE | {"name": "Praxis Neuer Name"}
        assert (await directory.as_practice(key, "PUT", "/owner/practice", meanwhile))[0] == 200
        await page.get_by_label("Straße und Hausnummer").fill("Alter Weg 1")
        for _ in range(2):  # sending it once more does not help
            await save(page)
            assert "an anderer Stelle geändert" in await page.get_by_role("alert").inner_text()
        await page.get_by_role("link", name="Seite neu laden").click()
        await page.get_by_role("heading", name="Praxis Neuer Name").wait_for()
    assert (await directory.as_practice(key, "GET", "/owner/practice"))[1]["address"]["line"] == "Lange Reihe 1"


async def test_a_code_is_good_once_and_for_its_practice_alone(directory: Directory) -> None:
    await directory.practice_joins(SOMMER)
    await directory.practice_joins(WINTER, profile=PROFILE | {"name": "Praxis Dr. Winter"})
    code = await code_for(directory, WINTER)
    async with chromium() as context:
        page = await context.new_page()
        for shown in (page.get_by_role("heading", name="Praxis Dr. Winter"), page.locator("#code-error")):
            await page.goto(f"{directory.url}/praxis/anmelden".removesuffix("/anmelden"))
            if await page.locator("#code").count() == 0:
                await page.get_by_role("button", name="Abmelden").click()
                await page.get_by_role("link", name="Neu anmelden").click()
            await page.locator("#code").fill(code)
            await page.keyboard.press("Enter")
            await shown.wait_for()


async def test_a_locked_account_is_out_at_once(directory: Directory) -> None:
    await directory.practice_joins(profile=FULL_PROFILE)
    async with chromium() as context:
        page = await context.new_page()
        await sign_in_practice(page, directory)
        directory.homeserver.changes.append((f"@practice-{SOMMER[2:]}:messenger.example", "locked"))
        for _ in range(100):
            await page.goto(f"{directory.url}/praxis")
            if await page.locator("#code").count():
                break
        else:
            pytest.fail("the practice was never locked out")
