"""The profile form of practices: what was entered, in the shape that the owner API takes, and where its faults stand.

A form is read into the body of ``PUT /owner/practice``, so that both ways have the same rules. Rows that were left
empty are dropped, so that a fault's path is the name of a field of the page that is shown again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from multidict import MultiDictProxy

from directory_service.rules.opening_hours import WEEKDAYS
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Feature
from directory_service.rules.profile_types import MOST_BLOCKS

Body = dict[str, Any]
_MOST_ROWS = 110
_TEXTS = (
    (r"name", "line"),
    (r"specialties(\..*)?", "specialties"),
    (r"address\.postcode", "postcode"),
    (r"address\..*", "line"),
    (r"accessibility\..*", "accessibility"),
    (r"opening_hours\.weekly\..*", "hours"),
    (r"opening_hours\.special", "special-twice"),
    (r"opening_hours\.special\..*", "special"),
    (r"absence\.substitute\.telephone", "telephone"),
    (r"absence\.substitute\..*", "line"),
    (r"absence\.last_day", "last-day"),
    (r"absence\..*", "day"),
    (r"messengers", "messenger-twice"),
    (r"messengers\..*", "messenger"),
)


def read_profile_form(form: MultiDictProxy[str], stored: Practice) -> Body:
    """The body that a form means; whether it is allowed is not looked at."""
    # The page does not show whether an entry leads to an address; saving it must lead nobody to one that is prepared.
    unlinked = {messenger.user_id for messenger in stored.profile.messengers if not messenger.linked}
    return {
        "name": _line(form, "name"),
        "specialties": [code for code in form.getall("specialties", []) if code],
        "address": _address(form, stored),
        "languages": _languages(form, stored),
        "accessibility": [
            {"feature": feature.value, "grade": grade, "note": note}
            for feature in Feature
            for grade in [form.get(f"accessibility.{feature}.grade", "")]
            for note in [_line(form, f"accessibility.{feature}.note")]
            if grade or note
        ],
        "opening_hours": _hours(form),
        "absence": _absence(form),
        "messengers": [
            {
                "user_id": user_id,
                "kind": form.get(f"messengers.{row}.kind", ""),
                "active": f"messengers.{row}.active" in form,
                "hide_from_insured": f"messengers.{row}.hide_from_insured" in form,
                "linked": user_id not in unlinked,
            }
            for row in range(_MOST_ROWS)
            if (user_id := _line(form, f"messengers.{row}.user_id"))
        ],
        "hide_from_insured": "hide_from_insured" in form,
    }


def _line(form: Mapping[str, str], name: str) -> str:
    """A line as it was meant: without the spaces that slip in."""
    return " ".join(form.get(name, "").split())


def _address(form: Mapping[str, str], stored: Practice) -> Body:
    said: Body = {name: _line(form, f"address.{name}") for name in ("line", "postcode", "city")}
    known = stored.profile.address
    if known and known.position and said == {"line": known.line, "postcode": known.postcode, "city": known.city}:
        # The page does not show the point on the map; it stays as long as the address does.
        said["position"] = {"latitude": known.position.latitude, "longitude": known.position.longitude}
    return said


def _languages(form: MultiDictProxy[str], stored: Practice) -> list[str]:
    """Those that were ticked: first those known before, in their order."""
    ticked = list(dict.fromkeys(form.getall("languages", [])))
    known = [tag for tag in stored.profile.languages if tag in ticked]
    return known + [tag for tag in ticked if tag not in known]


def _blocks(form: Mapping[str, str], place: str) -> list[Body]:
    rows = ((form.get(f"{place}.{row}.opens", ""), form.get(f"{place}.{row}.closes", "")) for row in range(MOST_BLOCKS))
    # A field for times knows no 24:00; a day that ends at midnight ends at 00:00 there.
    return [
        {"opens": opens[:5], "closes": "24:00" if closes[:5] == "00:00" else closes[:5]}
        for opens, closes in rows
        if opens or closes
    ]


def _hours(form: Mapping[str, str]) -> Body:
    weekly = None
    if form.get("hours") == "known":
        weekly = {day: _blocks(form, f"opening_hours.weekly.{day}") for day in WEEKDAYS}
    special = []
    for row in range(_MOST_ROWS):
        place = f"opening_hours.special.{row}"
        day, note, blocks = form.get(f"{place}.day", ""), _line(form, f"{place}.note"), _blocks(form, f"{place}.blocks")
        if day or note or blocks:
            reason = form.get(f"{place}.reason", "")
            special.append({"day": day, "blocks": blocks, "reason": reason, "note": note})
    return {"weekly": weekly, "special": special}


def _absence(form: Mapping[str, str]) -> Body | None:
    first, last = form.get("absence.first_day", ""), form.get("absence.last_day", "")
    text, telephone = (_line(form, f"absence.substitute.{name}") for name in ("text", "telephone"))
    if not (first or last or text or telephone):
        return None
    stand_in = {"text": text, "telephone": telephone} if text or telephone else None
    return {"first_day": first, "last_day": last, "substitute": stand_in}


def faults_by_place(errors: Iterable[Mapping[str, str]], body: Body) -> dict[str, str]:
    """Where faults are shown: the place on the page, and the key of what is said there; each place once.

    Args:
        errors: ``Problem.errors`` of the owner API.
        body: what was refused.
    """
    found: dict[str, str] = {}
    for error in errors:
        path = error["field"]
        kind = next((text for form, text in _TEXTS if re.fullmatch(form, path)), "other")
        found.setdefault(_place(path, body), f"practice-page-fault-{kind}")
    return found


def _place(path: str, body: Body) -> str:
    """The field, or the row of fields, that a path of the body stands for."""
    row = re.match(r"opening_hours\.weekly\.[a-z]+|opening_hours\.special\.\d+|messengers\.\d+", path)
    if row is not None:
        return row[0]
    if feature := re.match(r"accessibility\.(\d+)", path):
        return f"accessibility.{body['accessibility'][int(feature[1])]['feature']}"
    return re.sub(r"^(specialties|languages)\..*", r"\1", path)
