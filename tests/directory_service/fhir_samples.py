"""Practices for tests of the FHIR interface: an organisation with everything, a person, and some that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from directory_service.adapters.specialty_file import read_specialties
from directory_service.rules.absence import Absence, Substitute
from directory_service.rules.fhir.listing import Listing
from directory_service.rules.fhir.resources_shared import Wording
from directory_service.rules.opening_hours import OpeningHours, SpecialDay, SpecialReason, TimeBlock
from directory_service.rules.practice import Practice, PracticeState
from directory_service.rules.profile import (
    Accessibility,
    Address,
    Feature,
    Grade,
    Messenger,
    MessengerKind,
    Position,
    Profile,
)
from directory_service.rules.profile_check import ProfileRules
from directory_service.search.fhir.bundle import Page
from directory_service.search.fhir.finding import Steps
from messenger_core.people_names import reserved_names

SPECIALTIES = read_specialties()
PROFILES = ProfileRules(SPECIALTIES, reserved_names(["HEK", "Hanseatische Krankenkasse"]))
WORDING = Wording(SPECIALTIES, closed="Geschlossen", absent="Abwesend", substitute="Abwesend, Vertretung: {who}")
HAMBURG = Position(53.5569, 10.0143)


def practice(number: int, profile: Profile, *, telematik_id: str | None = None) -> Practice:
    """A practice that opted in."""
    return Practice(
        telematik_id=telematik_id or f"1-2000000{number:04}",
        resource_id=f"00000000-0000-4000-8000-{number:012}",
        user_id=f"@practice-{number}:messenger.example",
        state=PracticeState.OPTED_IN,
        profile=profile,
        version=number,
    )


_MORNING, _AFTERNOON = TimeBlock(8 * 60, 12 * 60), TimeBlock(14 * 60, 24 * 60)

FULL = practice(
    1,
    Profile(
        name='Hausarztpraxis Dr. "Sommer", Köln & Söhne',
        specialties=("ALLG", "INNE"),
        address=Address("Lange Reihe 1", "20099", "Hamburg", HAMBURG),
        languages=("de", "uk"),
        accessibility=(
            Accessibility(Feature.BARRIER_FREE, Grade.PARTLY, "Stufe am Eingang"),
            Accessibility(Feature.PARKING, Grade.FULL),
            Accessibility(Feature.PUBLIC_TRANSPORT, Grade.NONE),
        ),
        opening_hours=OpeningHours(
            weekly=((_MORNING, _AFTERNOON), (_MORNING,), (), (_MORNING,), (), (), ()),
            special=(
                SpecialDay(date(2026, 12, 24), (), note="Heiligabend"),
                SpecialDay(date(2026, 12, 27), (_MORNING,), SpecialReason.EMERGENCY_SERVICE),
                SpecialDay(date(2026, 12, 31)),
            ),
        ),
        absence=Absence(date(2027, 2, 1), date(2027, 2, 5), Substitute("Praxis Winter", "040 123")),
        messengers=(
            Messenger("@sommer:messenger.example"),
            Messenger("@empfang:messenger.example", MessengerKind.TIM_FA, active=False),
        ),
    ),
)
PERSON = practice(
    2,
    Profile(
        name="Dr. Änne Winter",
        specialties=("KARD",),
        address=Address("Großer Bäckerweg 5", "22111", "Bad Homburg", Position(53.6, 10.1)),
        languages=("de",),
        opening_hours=OpeningHours(weekly=((_MORNING,),) * 7),
        messengers=(Messenger("@winter:messenger.example"),),
    ),
    telematik_id="1-1000000002",
)
HIDDEN = practice(
    3,
    Profile(
        name="Praxis Verborgen",
        specialties=("ALLG",),
        address=Address("Weg 3", "20099", "Hamburg"),
        languages=("pt-BR",),
        messengers=(Messenger("@verborgen:messenger.example"),),
        hide_from_insured=True,
    ),
)
PHARMACY = practice(
    4,
    Profile(
        name="Apotheke am Markt",
        specialties=("ALLG",),
        address=Address("Markt 1", "20095", "Hamburg", Position(53.55, 10.0)),
        messengers=(Messenger("@apotheke:messenger.example", MessengerKind.TIM_BOT),),
    ),
    telematik_id="3-07.2.1444560000.16.108",
)
OLD_PREFIX = practice(
    5,
    Profile(
        name="Müller, Sommer und Partner",
        specialties=("KARD",),
        address=Address("Berlingeroder Str. 7", "50667", "Köln", Position(50.94, 6.96)),
        messengers=(Messenger("@mueller:messenger.example"),),
    ),
    telematik_id="1-2arvtst-ap000052",
)
ALL = (FULL, PERSON, HIDDEN, PHARMACY, OLD_PREFIX)


def listing_of(practices: Iterable[Practice]) -> Listing:
    """A listing with practices."""
    listing = Listing()
    for practice in practices:
        listing.put(practice)
    return listing


def result(found: Page | Steps) -> Page:
    """What a search answers when all its steps are taken."""
    if isinstance(found, Page):
        return found
    page: list[Page] = []

    def keep() -> Iterator[None]:
        page.append((yield from found))

    for _ in keep():
        pass
    return page[0]
