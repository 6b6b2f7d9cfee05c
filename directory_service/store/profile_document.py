"""A profile as the JSON document that the database keeps.

Fields that a later release adds have defaults, so that documents of an earlier one can be read.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from directory_service.rules.absence import Absence, Substitute
from directory_service.rules.opening_hours import UNKNOWN_HOURS, OpeningHours, SpecialDay, SpecialReason, TimeBlock
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
from directory_service.rules.shared_parts import shared

_Document = dict[str, Any]


def to_document(profile: Profile) -> str:
    """The profile as JSON; equal profiles give equal texts, and what was not said is left out."""
    document: _Document = {
        "name": profile.name,
        "specialties": list(profile.specialties),
        "address": _address_out(profile.address),
        "languages": list(profile.languages),
        "accessibility": [[item.feature.value, item.grade.value, item.note] for item in profile.accessibility],
        "opening_hours": _hours_out(profile.opening_hours),
        "absence": _absence_out(profile.absence),
        "messengers": [_messenger_out(item) for item in profile.messengers],
        "hide_from_insured": profile.hide_from_insured,
    }
    said = {name: value for name, value in document.items() if value or name == "name"}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def from_document(text: str) -> Profile:
    """The profile that ``to_document`` wrote."""
    document: _Document = json.loads(text)
    return Profile(
        name=document["name"],
        specialties=shared(tuple(document.get("specialties", ()))),
        address=_address_in(document.get("address")),
        languages=shared(tuple(document.get("languages", ()))),
        accessibility=shared(
            tuple(
                Accessibility(Feature(feature), Grade(grade), note)
                for feature, grade, note in document.get("accessibility", ())
            )
        ),
        opening_hours=_hours_in(document.get("opening_hours")),
        absence=_absence_in(document.get("absence")),
        messengers=tuple(
            Messenger(user_id, MessengerKind(kind), active, *seldom)
            for user_id, kind, active, *seldom in document.get("messengers", ())
        ),
        hide_from_insured=document.get("hide_from_insured", False),
    )


def _messenger_out(messenger: Messenger) -> list[Any]:
    seldom = [messenger.hide_from_insured, messenger.linked]
    return [messenger.user_id, messenger.kind.value, messenger.active, *(seldom if seldom != [False, True] else [])]


def _address_out(address: Address | None) -> list[Any] | None:
    if address is None:
        return None
    position = address.position
    here = [position.latitude, position.longitude] if position else None
    return [address.line, address.postcode, address.city, here]


def _address_in(value: list[Any] | None) -> Address | None:
    if value is None:
        return None
    line, postcode, city, here = value
    return Address(line, shared(postcode), shared(city), Position(*here) if here else None)


def _blocks_out(blocks: tuple[TimeBlock, ...]) -> list[list[int]]:
    return [[block.opens, block.closes] for block in blocks]


def _blocks_in(blocks: list[list[int]]) -> tuple[TimeBlock, ...]:
    return shared(tuple(TimeBlock(opens, closes) for opens, closes in blocks))


def _hours_out(hours: OpeningHours) -> _Document | None:
    if hours == UNKNOWN_HOURS:
        return None
    return {
        "weekly": None if hours.weekly is None else [_blocks_out(blocks) for blocks in hours.weekly],
        "special": [
            [special.day.isoformat(), _blocks_out(special.blocks), special.reason.value, special.note]
            for special in hours.special
        ],
    }


def _hours_in(value: _Document | None) -> OpeningHours:
    if value is None:
        return UNKNOWN_HOURS
    weekly = value["weekly"]
    return OpeningHours(
        None if weekly is None else tuple(_blocks_in(blocks) for blocks in weekly),
        tuple(
            SpecialDay(date.fromisoformat(day), _blocks_in(blocks), SpecialReason(reason), note)
            for day, blocks, reason, note in value["special"]
        ),
    )


def _absence_out(absence: Absence | None) -> list[Any] | None:
    if absence is None:
        return None
    stand_in = absence.substitute
    who = [stand_in.text, stand_in.telephone] if stand_in else None
    return [absence.first_day.isoformat(), absence.last_day.isoformat(), who]


def _absence_in(value: list[Any] | None) -> Absence | None:
    if value is None:
        return None
    first_day, last_day, who = value
    return Absence(date.fromisoformat(first_day), date.fromisoformat(last_day), Substitute(*who) if who else None)
