"""A practice's profile as JSON: what its software reads; ``profile_wire`` takes the same back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from directory_service.adapters.profile_wire import WEEKDAYS
from directory_service.rules.absence import Absence
from directory_service.rules.opening_hours import UNKNOWN_HOURS, OpeningHours, TimeBlock
from directory_service.rules.profile import Address, Profile


def profile_body(profile: Profile) -> dict[str, Any]:
    """The profile as its practice reads it; what ``PUT`` takes, with every default written out."""
    return {
        "name": profile.name,
        "specialties": list(profile.specialties),
        "address": _address_body(profile.address),
        "languages": list(profile.languages),
        "accessibility": [
            {"feature": item.feature.value, "grade": item.grade.value, "note": item.note}
            for item in profile.accessibility
        ],
        "opening_hours": _hours_body(profile.opening_hours),
        "absence": _absence_body(profile.absence),
        "messengers": [
            {
                "user_id": item.user_id,
                "kind": item.kind.value,
                "active": item.active,
                "hide_from_insured": item.hide_from_insured,
                "linked": item.linked,
            }
            for item in profile.messengers
        ],
        "hide_from_insured": profile.hide_from_insured,
    }


def _address_body(address: Address | None) -> dict[str, Any] | None:
    if address is None:
        return None
    position = address.position
    here = {"latitude": position.latitude, "longitude": position.longitude} if position else None
    return {"line": address.line, "postcode": address.postcode, "city": address.city, "position": here}


def _blocks_body(blocks: Sequence[TimeBlock]) -> list[dict[str, str]]:
    return [{"opens": _clock(block.opens), "closes": _clock(block.closes)} for block in blocks]


def _hours_body(hours: OpeningHours) -> dict[str, Any] | None:
    if hours == UNKNOWN_HOURS:
        return None
    weekly = hours.weekly
    return {
        "weekly": None
        if weekly is None
        else {day: _blocks_body(blocks) for day, blocks in zip(WEEKDAYS, weekly, strict=True)},
        "special": [
            {
                "day": item.day.isoformat(),
                "blocks": _blocks_body(item.blocks),
                "reason": item.reason.value,
                "note": item.note,
            }
            for item in hours.special
        ],
    }


def _absence_body(absence: Absence | None) -> dict[str, Any] | None:
    if absence is None:
        return None
    stand_in = absence.substitute
    return {
        "first_day": absence.first_day.isoformat(),
        "last_day": absence.last_day.isoformat(),
        "substitute": {"text": stand_in.text, "telephone": stand_in.telephone} if stand_in else None,
    }


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
