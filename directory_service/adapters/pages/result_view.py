"""A practice that was found, as a patient reads it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from directory_service.adapters.pages.chat_link import ChatLink, chat_link
from directory_service.adapters.pages.wording import Wording
from directory_service.rules.opening_hours import BERLIN, OpenState
from directory_service.rules.opening_outlook import outlook
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Profile
from directory_service.search.index.query import SearchHit

_SPECIAL_DAYS_AHEAD = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class OpenView:
    """Whether it is open now: the state for the eye, and the sentence."""

    state: OpenState
    text: str


@dataclass(frozen=True, slots=True)
class HoursRow:
    """A day and its hours; ``note`` may be empty."""

    day: str
    hours: str
    note: str = ""
    today: bool = False


@dataclass(frozen=True, slots=True)
class FeatureView:
    """What makes it easier to come: what, how far, and what to know about it (may be empty)."""

    name: str
    grade: str
    note: str


@dataclass(frozen=True, slots=True)
class ResultView:
    """One practice of the list."""

    resource_id: str
    name: str
    specialties: str
    line: str
    town: str
    distance: str
    reason: str
    now: OpenView
    absence: str
    substitute: str
    week: tuple[HoursRow, ...]
    special: tuple[HoursRow, ...]
    spoken: str
    features: tuple[FeatureView, ...]
    chat: ChatLink
    others: tuple[tuple[str, ChatLink], ...]


def result_view(practice: Practice, hit: SearchHit, wording: Wording, now: datetime) -> ResultView:
    """Says everything about a practice that a patient decides by.

    Args:
        practice: one that is open to insured people, so it has an address to write to.
        hit: why it is in the list.
        wording: the language.
        now: the present moment.
    """
    profile, address = practice.profile, practice.profile.address
    addresses = profile.insured_addresses
    account = practice.user_id if practice.user_id in addresses else addresses[0]
    kinds = {messenger.user_id: messenger.kind for messenger in profile.messengers}
    today = now.astimezone(BERLIN).date()
    absence, substitute = _absence(profile, wording, now)
    weekly = profile.opening_hours.weekly
    return ResultView(
        resource_id=practice.resource_id,
        name=profile.name,
        specialties=wording.joined(profile.specialties, wording.specialty),
        line=address.line if address else "",
        town=f"{address.postcode} {address.city}" if address else "",
        distance=_distance(practice, hit, wording),
        reason=wording.text(f"search-page-reason-{hit.reason.value}") if hit.reason else "",
        now=_now(profile, wording, now),
        absence=absence,
        substitute=substitute,
        week=tuple(
            HoursRow(wording.weekday(day), wording.blocks(blocks), today=day == today.weekday())
            for day, blocks in enumerate(weekly or ())
        ),
        special=tuple(
            HoursRow(wording.day(special.day), wording.blocks(special.blocks), special.note)
            for special in profile.opening_hours.special
            if today <= special.day <= today + _SPECIAL_DAYS_AHEAD
        ),
        spoken=wording.joined(profile.languages, wording.spoken),
        features=tuple(
            FeatureView(wording.text(f"feature-{item.feature}"), wording.text(f"grade-{item.grade}"), item.note)
            for item in profile.accessibility
        ),
        chat=chat_link(account),
        others=tuple(
            (wording.text(f"messenger-{kinds[user_id]}"), chat_link(user_id))
            for user_id in addresses
            if user_id != account
        ),
    )


def _distance(practice: Practice, hit: SearchHit, wording: Wording) -> str:
    if hit.distance_m is None:
        return ""
    address = practice.profile.address
    exact = address is not None and address.position is not None
    said = wording.distance(hit.distance_m)
    return wording.text("search-page-distance" if exact else "search-page-distance-about", distance=said)


def _now(profile: Profile, wording: Wording, now: datetime) -> OpenView:
    """``Geöffnet bis 18:30 Uhr``; unknown is said as such."""
    known = outlook(profile, now)
    if known.state is OpenState.UNKNOWN:
        return OpenView(known.state, wording.text("now-unknown"))
    if known.day is None:
        return OpenView(known.state, wording.text("now-absent" if known.absent else "now-closed"))
    time = wording.time(known.minute)
    if known.state is OpenState.OPEN:
        return OpenView(known.state, wording.text("now-open", time=time))
    ahead = (known.day - now.astimezone(BERLIN).date()).days
    if ahead == 0:
        said = wording.text("now-opens-today", time=time)
    elif ahead == 1:
        said = wording.text("now-opens-tomorrow", time=time)
    else:
        said = wording.text("now-opens-later", day=wording.day(known.day), time=time)
    return OpenView(known.state, said)


def _absence(profile: Profile, wording: Wording, now: datetime) -> tuple[str, str]:
    """What is said about a present or coming absence, and who stands in."""
    absence = profile.absence
    if absence is None or absence.last_day < now.astimezone(BERLIN).date():
        return "", ""
    said = wording.text("absence", first=wording.day(absence.first_day), last=wording.day(absence.last_day))
    stand_in = absence.substitute
    if stand_in is None:
        return said, ""
    return said, wording.text("substitute", who=", ".join(filter(None, (stand_in.text, stand_in.telephone))))
