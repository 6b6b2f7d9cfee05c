"""A practice's profile as JSON: what its software may send, with each faulty field named, and what it reads back.

The bounds are those of the profile's own types; only opening hours, whose times are said as on a clock, have a shape of
their own here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from directory_service.rules.absence import Absence
from directory_service.rules.opening_hours import (
    UNKNOWN_HOURS,
    WEEKDAYS,
    OpeningHours,
    SpecialDay,
    SpecialReason,
    TimeBlock,
    apart,
)
from directory_service.rules.practice import is_on_insured_server
from directory_service.rules.profile import Address, Features, Messenger, Messengers, Profile
from directory_service.rules.profile_types import (
    MOST_BLOCKS,
    MOST_SPECIAL_DAYS,
    MOST_SPECIALTIES,
    Day,
    Languages,
    Note,
    PracticeName,
    Specialties,
    each_once,
)
from messenger_core.problem import WireModel

_ClockTime = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


class _Block(WireModel):
    opens: _ClockTime
    closes: _ClockTime

    @model_validator(mode="after")
    def _in_order(self) -> _Block:
        self.block()
        return self

    def block(self) -> TimeBlock:
        return TimeBlock(_minutes(self.opens), _minutes(self.closes))

    @classmethod
    def of(cls, block: TimeBlock) -> _Block:
        return cls.model_construct(opens=_clock(block.opens), closes=_clock(block.closes))


def _ordered(blocks: tuple[_Block, ...]) -> tuple[_Block, ...]:
    if not apart(_blocks(blocks)):
        raise ValueError("blocks of a day stand in their order, with a break between them")
    return blocks


def _blocks(blocks: Sequence[_Block]) -> tuple[TimeBlock, ...]:
    return tuple(block.block() for block in blocks)


_DayBlocks = Annotated[tuple[_Block, ...], Field(max_length=MOST_BLOCKS), AfterValidator(_ordered)]


class _Week(WireModel):
    mon: _DayBlocks = ()
    tue: _DayBlocks = ()
    wed: _DayBlocks = ()
    thu: _DayBlocks = ()
    fri: _DayBlocks = ()
    sat: _DayBlocks = ()
    sun: _DayBlocks = ()


class _SpecialDay(WireModel):
    day: Day
    blocks: _DayBlocks
    reason: SpecialReason = SpecialReason.SPECIAL
    note: Note = ""


def _days_once(days: tuple[_SpecialDay, ...]) -> tuple[_SpecialDay, ...]:
    each_once([special.day for special in days])
    return days


class _OpeningHours(WireModel):
    weekly: _Week | None = None
    special: Annotated[tuple[_SpecialDay, ...], Field(max_length=MOST_SPECIAL_DAYS), AfterValidator(_days_once)] = ()

    def hours(self) -> OpeningHours:
        week = self.weekly
        special = [SpecialDay(item.day, _blocks(item.blocks), item.reason, item.note) for item in self.special]
        return OpeningHours(
            None if week is None else tuple(_blocks(getattr(week, day)) for day in WEEKDAYS),
            tuple(sorted(special, key=lambda item: item.day)),
        )

    @classmethod
    def of(cls, hours: OpeningHours) -> _OpeningHours:
        days = zip(WEEKDAYS, hours.weekly or (), strict=hours.weekly is not None)
        week = _Week.model_construct(None, **{day: tuple(map(_Block.of, blocks)) for day, blocks in days})
        special = [
            _SpecialDay.model_construct(
                day=item.day, blocks=tuple(map(_Block.of, item.blocks)), reason=item.reason, note=item.note
            )
            for item in hours.special
        ]
        return cls.model_construct(weekly=None if hours.weekly is None else week, special=tuple(special))


class _Profile(WireModel):
    name: PracticeName
    specialties: Specialties = ()
    address: Address | None = None
    languages: Languages = ()
    accessibility: Features = ()
    opening_hours: _OpeningHours | None = None
    absence: Absence | None = None
    messengers: Messengers | None = None
    hide_from_insured: bool = False


class ProfileWire(_Profile):
    """The body of ``PUT /owner/practice``; what is left out is not said, or at its default."""

    specialties: Annotated[Specialties, Field(min_length=1, max_length=MOST_SPECIALTIES)]
    address: Address

    def foreign_addresses(self, own: str | None, insured_servers: Collection[str]) -> list[int]:
        """The places in ``messengers`` that name somebody else's account."""
        return [
            place
            for place, messenger in enumerate(self.messengers or ())
            if messenger.user_id != own and is_on_insured_server(messenger.user_id, insured_servers)
        ]

    def profile(self, own: str | None) -> Profile:
        """What was said; without messenger addresses the practice answers at its own account."""
        messengers = self.messengers or ()
        if self.messengers is None and own is not None:
            messengers = (Messenger(own),)
        return Profile(
            name=self.name,
            specialties=self.specialties,
            address=self.address,
            languages=self.languages,
            accessibility=self.accessibility,
            opening_hours=self.opening_hours.hours() if self.opening_hours else UNKNOWN_HOURS,
            absence=self.absence,
            messengers=messengers,
            hide_from_insured=self.hide_from_insured,
        )


def profile_body(profile: Profile) -> dict[str, Any]:
    """The profile as its practice reads it; what ``PUT`` takes, with every default written out.

    It is not checked: who has to mend a profile must be able to read it.
    """
    hours = profile.opening_hours
    return _Profile.model_construct(
        name=profile.name,
        specialties=profile.specialties,
        address=profile.address,
        languages=profile.languages,
        accessibility=profile.accessibility,
        opening_hours=None if hours == UNKNOWN_HOURS else _OpeningHours.of(hours),
        absence=profile.absence,
        messengers=profile.messengers,
        hide_from_insured=profile.hide_from_insured,
    ).model_dump(mode="json")
