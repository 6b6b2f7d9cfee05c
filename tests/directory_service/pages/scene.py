"""A directory with practices in Hamburg and around, and who is signed in at its pages."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

from tests.directory_service.bench import FULL_PROFILE, SERVER_NAME, SOMMER, Directory


def open_always() -> dict[str, Any]:
    """Hours that hold every moment."""
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return {"weekly": {day: [{"opens": "00:00", "closes": "24:00"}] for day in days}}


def closed_always() -> dict[str, Any]:
    """Hours that hold no moment."""
    return {"weekly": {}}


def profile(name: str, *specialties: str, postcode: str, city: str = "Hamburg", **more: Any) -> dict[str, Any]:
    """What a practice says about itself."""
    address = {"line": "Musterweg 7", "postcode": postcode, "city": city}
    return {"name": name, "specialties": list(specialties), "address": address, **more}


PRACTICES: dict[str, dict[str, Any]] = {
    SOMMER: FULL_PROFILE,
    "1-2001": profile(
        "Kardiologie am Dom", "KARD", postcode="20095", opening_hours=open_always(), languages=["de", "en"]
    ),
    "1-2002": profile("Praxis Dr. Müller", "ALLG", postcode="22765", opening_hours=closed_always()),
    "1-2003": profile(
        "Hausärzte Eppendorf",
        "ALLG",
        "INNE",
        postcode="20249",
        opening_hours=open_always(),
        languages=["de", "tr"],
        accessibility=[{"feature": "barrierefrei", "grade": "full", "note": "Aufzug im Haus"}],
    ),
    "1-2004": profile("Internistische Praxis Altona", "INNE", postcode="22767"),
    "1-2005": profile("Kinderarztpraxis Wilhelmsburg", "KIJU", postcode="21107", opening_hours=open_always()),
    "1-2006": profile("Hautarzt Dr. Weiß", "HAUT", postcode="23552", city="Lübeck"),
    "1-2007": profile("Praxis Dr. Müller-Lüdenscheidt", "ALLG", postcode="23552", city="Lübeck"),
}


async def fill(directory: Directory) -> None:
    """Lets all practices join and opt in."""
    for telematik_id, said in PRACTICES.items():
        await directory.practice_joins(telematik_id, profile=said)


async def sign_in(page: Page, directory: Directory) -> None:
    """Signs a patient in, as the homeserver's single sign-on does; ends at the search form."""
    await page.goto(f"{directory.url}/praxissuche/anmelden")
    assert page.url == f"{directory.url}/praxissuche"


async def code_for(directory: Directory, telematik_id: str = SOMMER) -> str:
    """The code that the homeserver would show a practice in its messenger."""
    status, answer = await directory.as_homeserver(
        "POST",
        "/practice-sign-in-codes",
        "practice:sign-in",
        {"user_id": f"@practice-{telematik_id[2:]}:{SERVER_NAME}"},
    )
    assert status == 200, answer
    return str(answer["code"])


async def sign_in_practice(page: Page, directory: Directory, telematik_id: str = SOMMER) -> None:
    """Signs a practice in at its page with its code."""
    await page.goto(f"{directory.url}/praxis")
    await page.locator("#code").fill((await code_for(directory, telematik_id)).lower().replace("-", " "))
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Angaben speichern").wait_for()
