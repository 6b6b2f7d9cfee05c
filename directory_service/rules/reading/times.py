"""Opening hours and absences as FHIR says them: ``availableTime`` and ``notAvailable``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from directory_service.rules.absence import Absence, Substitute
from directory_service.rules.fhir.terminology import OPENING_QUALIFIER, SPECIAL_HOURS
from directory_service.rules.opening_hours import (
    BERLIN,
    END_OF_DAY,
    UNKNOWN_HOURS,
    WEEKDAYS,
    OpeningHours,
    SpecialDay,
    SpecialReason,
    TimeBlock,
)
from directory_service.rules.profile_types import (
    FIRST_DAY,
    LAST_DAY,
    LONGEST_NOTE,
    MOST_BLOCKS,
    MOST_SPECIAL_DAYS,
    TELEPHONE_PATTERN,
)
from directory_service.rules.reading.element import Element

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(:[0-5][0-9](\.[0-9]+)?)?")
_LAST_MINUTE = 23 * 60 + 59
_LONGEST_SPECIAL_DAYS = 31
_TELEPHONE = re.compile(TELEPHONE_PATTERN)
_DAYS_ALLOWED = f"days from {FIRST_DAY} to {LAST_DAY} are allowed"


@dataclass(frozen=True, slots=True)
class AbsenceWords:
    """How the directory itself words what is not available, so that what it wrote is read back as it was.

    Attributes:
        closed: of a special day without hours.
        absent: of an absence.
        substitute: the beginning of the same with a substitute, who follows it.
    """

    closed: str
    absent: str
    substitute: str


def read_times(
    service: Element, words: AbsenceWords, today: date, *, with_week: bool
) -> tuple[OpeningHours, Absence | None]:
    """The hours and the next or present absence that an entry point says.

    Args:
        service: a HealthcareService or PractitionerRole.
        words: how the directory words absences.
        today: the present day in Germany; absences that ended before are not taken.
        with_week: whether special hours are added to those of the week, as in the national directory, instead of
            replacing them.
    """
    week: list[list[TimeBlock]] = [[] for _ in WEEKDAYS]
    special: dict[date, list[TimeBlock]] = defaultdict(list)
    reasons: dict[date, SpecialReason] = {}
    said = False
    for time in service.children("availableTime"):
        extensions = time.extensions(SPECIAL_HOURS)
        for extension in extensions:
            _read_special(extension, special, reasons)
        if not extensions:
            said = _read_weekly(time, week) or said
    weekly = tuple(_joined(blocks) for blocks in week) if said else None
    days = {
        day: SpecialDay(day, _joined([*blocks, *(weekly[day.weekday()] if weekly and with_week else ())]), reasons[day])
        for day, blocks in special.items()
    }
    absence = _read_not_available(service, words, days, today)
    kept = sorted(days.values(), key=lambda one: one.day)
    if with_week:
        kept = [one for one in kept if one.day >= today]
    if len(kept) > MOST_SPECIAL_DAYS:
        service.fault(f"at most {MOST_SPECIAL_DAYS} special days are kept, the next ones", "availableTime")
    if any(len(blocks) > MOST_BLOCKS for blocks in [*(weekly or ()), *(one.blocks for one in kept)]):
        service.fault(f"a day has at most {MOST_BLOCKS} blocks", "availableTime")
        return UNKNOWN_HOURS, absence
    return OpeningHours(weekly, tuple(kept[:MOST_SPECIAL_DAYS])), absence


def _read_weekly(time: Element, week: list[list[TimeBlock]]) -> bool:
    time.only("daysOfWeek", "availableStartTime", "availableEndTime", "allDay")
    days = [WEEKDAYS.index(day) for day in time.texts("daysOfWeek") if day in WEEKDAYS]
    if not days:
        time.fault(f"a day of the week is needed: {', '.join(WEEKDAYS)}", "daysOfWeek")
        return False
    if time.flag("allDay"):
        block = TimeBlock(0, END_OF_DAY)
    else:
        opens, closes = _minute(time, "availableStartTime"), _minute(time, "availableEndTime")
        if opens is None or closes is None:
            return False
        closes = END_OF_DAY if closes in {0, _LAST_MINUTE} else closes
        if closes <= opens:
            time.fault(
                "it must be later than availableStartTime; hours past midnight are two blocks", "availableEndTime"
            )
            return False
        block = TimeBlock(opens, closes)
    for day in days:
        week[day].append(block)
    return True


def _minute(time: Element, name: str) -> int | None:
    found = _TIME.fullmatch(time.text(name) or "")
    if found is None:
        time.fault("a time such as 08:30:00 is needed", name)
        return None
    return int(found[1]) * 60 + int(found[2])


def _read_special(extension: Element, special: dict[date, list[TimeBlock]], reasons: dict[date, SpecialReason]) -> None:
    reason = SpecialReason.SPECIAL
    for qualifier in extension.extensions("qualifier"):
        coding = qualifier.child("valueCoding")
        if coding is not None and coding.text("system") == OPENING_QUALIFIER:
            code = coding.text("code")
            if code in set(SpecialReason):
                reason = SpecialReason(code)
            else:
                coding.fault(f"allowed are {', '.join(SpecialReason)}", "code")
    for holder in extension.extensions("period"):
        period = holder.child("valuePeriod")
        moments = _moments(period) if period else None
        if moments is None:
            continue
        for day, block in _days_of(*moments):
            special[day].append(block)
            reasons[day] = reason


def _moments(period: Element) -> tuple[datetime, datetime] | None:
    """Beginning and end on the wall clock in Germany."""
    found = []
    for name in ("start", "end"):
        try:
            moment = datetime.fromisoformat(period.text(name) or "")
        except ValueError:
            period.fault("a moment with its zone is needed, such as 2026-12-24T08:00:00+01:00", name)
            return None
        # Before anything is computed with it: beyond, moments have no day in Germany.
        if not FIRST_DAY < moment.date() < LAST_DAY:
            period.fault(_DAYS_ALLOWED, name)
            return None
        found.append(moment.astimezone(BERLIN) if moment.tzinfo else moment.replace(tzinfo=BERLIN))
    start, end = found
    if not start < end <= start + timedelta(days=_LONGEST_SPECIAL_DAYS):
        period.fault(f"it must be after start, by at most {_LONGEST_SPECIAL_DAYS} days", "end")
        return None
    return start, end


def _days_of(start: datetime, end: datetime) -> Iterable[tuple[date, TimeBlock]]:
    """The stretch of time as blocks of days."""
    day = start.date()
    while day <= end.date():
        opens = start.hour * 60 + start.minute if day == start.date() else 0
        closes = end.hour * 60 + end.minute if day == end.date() else END_OF_DAY
        closes = END_OF_DAY if closes == _LAST_MINUTE else closes
        if closes > opens:
            yield day, TimeBlock(opens, closes)
        day += timedelta(days=1)


def _joined(blocks: Iterable[TimeBlock]) -> tuple[TimeBlock, ...]:
    """The blocks of a day, sorted; those that overlap or touch are one."""
    joined: list[TimeBlock] = []
    for block in sorted(set(blocks)):
        if joined and block.opens <= joined[-1].closes:
            joined[-1] = TimeBlock(joined[-1].opens, max(joined[-1].closes, block.closes))
        else:
            joined.append(block)
    return tuple(joined)


def _read_not_available(
    service: Element, words: AbsenceWords, days: dict[date, SpecialDay], today: date
) -> Absence | None:
    """The next absence; single days are special days without hours, unless they are worded as an absence."""
    absences = []
    for item in service.children("notAvailable"):
        item.only("description", "during")
        during, description = item.child("during"), item.line("description", 400) or ""
        period = _period(item, during)
        if period is None:
            continue
        first, last = period
        worded = description == words.absent or description.startswith(words.substitute)
        if first == last and not worded:
            if first >= today or item.strict:
                days.setdefault(first, SpecialDay(first, (), note=_note(item, description, words)))
        elif last >= today or item.strict:
            absences.append(Absence(first, last, _substitute(item, description, words)))
    absences.sort(key=lambda absence: absence.first_day)
    if len(absences) > 1:
        service.fault("one absence of several days is kept, the next one", "notAvailable")
    return absences[0] if absences else None


def _note(item: Element, description: str, words: AbsenceWords) -> str:
    if description == words.closed:
        return ""
    return item.checked_line(description, "description", LONGEST_NOTE) or "" if description else ""


def _substitute(item: Element, description: str, words: AbsenceWords) -> Substitute | None:
    if not description.startswith(words.substitute):
        return None
    who = description.removeprefix(words.substitute)
    text, _, telephone = who.rpartition(", ")
    if not (text and _TELEPHONE.fullmatch(telephone)):
        text, telephone = who, ""
    line = item.checked_line(text, "description", LONGEST_NOTE)
    return None if line is None else Substitute(line, telephone)


def _period(item: Element, during: Element | None) -> tuple[date, date] | None:
    if during is None:
        item.fault("a period is needed", "during")
        return None
    ends = []
    for name in ("start", "end"):
        try:
            ends.append(date.fromisoformat((during.text(name) or "")[:10]))
        except ValueError:
            during.fault("a day is needed, such as 2026-12-24", name)
            return None
        if not FIRST_DAY <= ends[-1] <= LAST_DAY:
            during.fault(_DAYS_ALLOWED, name)
            return None
    if ends[1] < ends[0]:
        during.fault("it must not be before start", "end")
        return None
    return ends[0], ends[1]
