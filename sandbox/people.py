"""The demo people, agents and practices, and how fresh ones of each are made up."""

from __future__ import annotations

import secrets
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from messenger_core.identifiers import check_ik, check_kvnr, kvnr_check_digit

HEK_IK = "101570104"
OTHER_IK = "109500969"
DEMO_PEOPLE = 5
"""How many people ``demo_people`` makes; they come first in the provider's file."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CONSONANTS, _VOWELS = "bdfgklmnprst", "aeiou"


class Person(BaseModel):
    """Somebody whom the stand-in GesundheitsID knows.

    Attributes:
        name: the lower-case name that commands take.
        display_name: the verified name.
        kvnr: with a valid check digit.
        ik: the insurer's institution code.
        level: the level of assurance that a sign-in reaches (``acr``).
        pin: the six-digit GesundheitsID-PIN.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    display_name: str = Field(min_length=1, max_length=100)
    kvnr: str
    ik: str
    level: Literal["gematik-ehealth-loa-high", "gematik-ehealth-loa-substantial"] = "gematik-ehealth-loa-high"
    pin: str = Field(pattern=r"^[0-9]{6}$")


class Agent(BaseModel):
    """Somebody who works for the insurer, known to the stand-in staff provider."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    display_name: str = Field(min_length=1, max_length=100)
    preferred_username: str = Field(pattern=r"^[a-z][a-z0-9.-]{0,39}$")
    pin: str = Field(pattern=r"^[0-9]{6}$")


class Practice(BaseModel):
    """A practice as its software describes it to the directory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    telematik_id: str
    title: str
    specialties: list[str]
    line: str
    postcode: str
    city: str
    opts_in: bool
    further: dict[str, Any] = {}
    """What else its profile says, as ``PUT /owner/practice`` takes it."""


def new_kvnr() -> str:
    """A random KVNR with a valid check digit; it belongs to nobody."""
    letter = secrets.choice(_LETTERS)
    digits = f"{secrets.randbelow(10**8):08d}"
    return check_kvnr(f"{letter}{digits}{kvnr_check_digit(letter, digits)}")


def new_telematik_id() -> str:
    """A random Telematik-ID with the prefix of a doctor's practice."""
    return f"1-2{secrets.randbelow(10**12):012d}"


def new_pin() -> str:
    """Six random digits."""
    return f"{secrets.randbelow(10**6):06d}"


def _made_up_name() -> str:
    syllables = (secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(3))
    return "".join(syllables) + secrets.choice(_CONSONANTS)


def fresh_person(first_name: str, *, ik: str = HEK_IK, high: bool = True) -> Person:
    """A new person whom no other play of the story has met."""
    family = _made_up_name()
    return Person(
        name=f"{first_name.lower()}-{family}",
        display_name=f"{first_name} {family.capitalize()}",
        kvnr=new_kvnr(),
        ik=check_ik(ik),
        level="gematik-ehealth-loa-high" if high else "gematik-ehealth-loa-substantial",
        pin=new_pin(),
    )


def fresh_practice(title_start: str = "Hausarztpraxis Dr.", *, opts_in: bool, city: str = "Hamburg") -> Practice:
    """A new practice whom no other play of the story has met; a general practitioner."""
    family = _made_up_name()
    return Practice(
        name=family,
        telematik_id=new_telematik_id(),
        title=f"{title_start} {family.capitalize()}",
        specialties=["ALLG"],
        line=f"Musterweg {secrets.randbelow(90) + 1}",
        postcode="20095",
        city=city,
        opts_in=opts_in,
    )


def demo_people() -> list[Person]:
    """Erika, Max, Jonas, Otto (insured elsewhere) and Lena (a weak sign-in), with new KVNRs."""
    return [
        Person(name="erika", display_name="Erika Mustermann", kvnr=new_kvnr(), ik=HEK_IK, pin="123456"),
        Person(name="max", display_name="Max Mustermann", kvnr=new_kvnr(), ik=HEK_IK, pin="234567"),
        Person(name="jonas", display_name="Jonas Beispiel", kvnr=new_kvnr(), ik=HEK_IK, pin="345678"),
        Person(name="otto", display_name="Otto Anders", kvnr=new_kvnr(), ik=OTHER_IK, pin="456789"),
        Person(
            name="lena",
            display_name="Lena Leicht",
            kvnr=new_kvnr(),
            ik=HEK_IK,
            level="gematik-ehealth-loa-substantial",
            pin="567890",
        ),
    ]


AGENTS = (
    Agent(name="berg", display_name="Birgit Berg", preferred_username="berg", pin="111222"),
    Agent(name="tal", display_name="Thomas Tal", preferred_username="tal", pin="333444"),
)


def _week(**days: str) -> dict[str, Any]:
    """Opening hours of a week: ``mon="8:00-12:00 14:00-18:00"``; other days are closed."""

    def block(text: str) -> dict[str, str]:
        opens, _, closes = text.partition("-")
        return {"opens": opens.zfill(5), "closes": closes.zfill(5)}

    return {"weekly": {day: [block(text) for text in said.split()] for day, said in days.items()}}


_MORNINGS = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "8:00-12:30")

PRACTICES = (
    Practice(
        name="sommer",
        telematik_id="1-20014200101",
        title="Hausarztpraxis Dr. Sommer",
        specialties=["ALLG"],
        line="Lange Reihe 1",
        postcode="20099",
        city="Hamburg",
        opts_in=True,
        further={
            "languages": ["de", "en", "tr"],
            "opening_hours": _week(**_MORNINGS | {"mon": "8:00-12:30 14:00-18:00", "thu": "8:00-12:30 15:00-19:00"}),
            "accessibility": [
                {"feature": "barrierefrei", "grade": "partly", "note": "Eine Stufe, Rampe auf Wunsch"},
                {"feature": "oepnv", "grade": "full", "note": "U-Bahn Hauptbahnhof Nord"},
            ],
        },
    ),
    Practice(
        name="winter",
        telematik_id="1-20014200102",
        title="Hausarztpraxis Dr. Winter",
        specialties=["ALLG"],
        line="Osterstraße 2",
        postcode="20255",
        city="Hamburg",
        opts_in=False,
    ),
    Practice(
        name="herbst",
        telematik_id="1-20014200103",
        title="Praxis Dr. Herbst",
        specialties=["ALLG"],
        line="Waitzstraße 3",
        postcode="22607",
        city="Hamburg",
        opts_in=True,
        further={"languages": ["de", "pl"], "opening_hours": _week(**_MORNINGS)},
    ),
)
