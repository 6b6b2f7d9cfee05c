"""A practice's profile as JSON: what its software may send, with each faulty field named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator

from directory_service.rules.absence import Absence, Substitute
from directory_service.rules.opening_hours import (
    UNKNOWN_HOURS,
    OpeningHours,
    SpecialDay,
    SpecialReason,
    TimeBlock,
    apart,
)
from directory_service.rules.plain_text import AddressText, PracticeName, one_line
from directory_service.rules.practice import is_on_insured_server
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
from messenger_core.problem import WireModel

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MAX_BLOCKS = 6


def _note(text: str) -> str:
    return one_line(text) if text else text


_Note = Annotated[str, Field(max_length=200), AfterValidator(_note)]
_ClockTime = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
_Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]
_Telephone = Annotated[str, Field(pattern=r"^(\+?[0-9][0-9 /()-]{2,30})?$")]
_UserId = Annotated[str, Field(max_length=255, pattern=r"^@[a-z0-9._=/+-]+:[A-Za-z0-9.-]+(:[0-9]{1,5})?$")]


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


class _Block(WireModel):
    opens: _ClockTime
    closes: _ClockTime

    @model_validator(mode="after")
    def _in_order(self) -> _Block:
        self.block()
        return self

    def block(self) -> TimeBlock:
        return TimeBlock(_minutes(self.opens), _minutes(self.closes))


def _ordered(blocks: tuple[_Block, ...]) -> tuple[_Block, ...]:
    if not apart(_blocks(blocks)):
        raise ValueError("blocks of a day stand in their order, with a break between them")
    return blocks


def _blocks(blocks: Sequence[_Block]) -> tuple[TimeBlock, ...]:
    return tuple(block.block() for block in blocks)


_Day = Annotated[tuple[_Block, ...], Field(max_length=_MAX_BLOCKS), AfterValidator(_ordered)]


class _Week(WireModel):
    mon: _Day = ()
    tue: _Day = ()
    wed: _Day = ()
    thu: _Day = ()
    fri: _Day = ()
    sat: _Day = ()
    sun: _Day = ()


class _SpecialDay(WireModel):
    day: date
    blocks: _Day
    reason: SpecialReason = SpecialReason.SPECIAL
    note: _Note = ""


class _OpeningHours(WireModel):
    weekly: _Week | None = None
    special: Annotated[tuple[_SpecialDay, ...], Field(max_length=100)] = ()

    @field_validator("special")
    @classmethod
    def _each_day_once(cls, days: tuple[_SpecialDay, ...]) -> tuple[_SpecialDay, ...]:
        _once([special.day for special in days], "each day may stand there once")
        return days


class _Substitute(WireModel):
    text: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(one_line)]
    telephone: _Telephone = ""


class _Absence(WireModel):
    first_day: date
    last_day: date
    substitute: _Substitute | None = None

    @field_validator("last_day")
    @classmethod
    def _not_before_the_first(cls, last_day: date, info: Any) -> date:
        first_day = info.data.get("first_day")
        if first_day is not None and last_day < first_day:
            raise ValueError("it must not be before first_day")
        return last_day


class _Position(WireModel):
    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class _Address(WireModel):
    line: AddressText
    postcode: Annotated[str, Field(pattern=r"^[0-9]{5}$")]
    city: AddressText
    position: _Position | None = None


class _Accessibility(WireModel):
    feature: Feature
    grade: Grade
    note: _Note = ""


class _Messenger(WireModel):
    user_id: _UserId
    kind: MessengerKind = MessengerKind.TIM
    active: bool = True
    hide_from_insured: bool = False
    linked: bool = True


class ProfileWire(WireModel):
    """The body of ``PUT /owner/practice``; what is left out is not said, or at its default."""

    name: PracticeName
    specialties: Annotated[list[str], Field(min_length=1, max_length=10)]
    address: _Address
    languages: Annotated[tuple[_Language, ...], Field(max_length=20)] = ()
    accessibility: Annotated[tuple[_Accessibility, ...], Field(max_length=len(Feature))] = ()
    opening_hours: _OpeningHours | None = None
    absence: _Absence | None = None
    messengers: Annotated[tuple[_Messenger, ...], Field(max_length=10)] | None = None
    hide_from_insured: bool = False

    @field_validator("specialties", "languages")
    @classmethod
    def _each_once(cls, codes: Sequence[str]) -> Sequence[str]:
        _once(codes, "each code may stand there once")
        return codes

    @field_validator("accessibility")
    @classmethod
    def _each_feature_once(cls, items: tuple[_Accessibility, ...]) -> tuple[_Accessibility, ...]:
        _once([item.feature for item in items], "each feature may stand there once")
        return items

    @field_validator("messengers")
    @classmethod
    def _each_address_once(cls, items: tuple[_Messenger, ...] | None) -> tuple[_Messenger, ...] | None:
        _once([item.user_id for item in items or ()], "each user_id may stand there once")
        return items

    def foreign_addresses(self, own: str | None, insured_servers: Collection[str]) -> list[int]:
        """The places in ``messengers`` that name somebody else's account."""
        return [
            place
            for place, messenger in enumerate(self.messengers or ())
            if messenger.user_id != own and is_on_insured_server(messenger.user_id, insured_servers)
        ]

    def profile(self, own: str | None) -> Profile:
        """What was said; without messenger addresses the practice answers at its own account."""
        messengers = [
            Messenger(item.user_id, item.kind, item.active, item.hide_from_insured, item.linked)
            for item in self.messengers or ()
        ]
        if self.messengers is None and own is not None:
            messengers = [Messenger(own)]
        position = self.address.position
        return Profile(
            name=self.name,
            specialties=tuple(self.specialties),
            address=Address(
                self.address.line,
                self.address.postcode,
                self.address.city,
                Position(position.latitude, position.longitude) if position else None,
            ),
            languages=tuple(self.languages),
            accessibility=tuple(Accessibility(item.feature, item.grade, item.note) for item in self.accessibility),
            opening_hours=_hours(self.opening_hours),
            absence=_absence(self.absence),
            messengers=tuple(messengers),
            hide_from_insured=self.hide_from_insured,
        )


def _once(values: Sequence[Hashable], rule: str) -> None:
    if any(count > 1 for count in Counter(values).values()):
        raise ValueError(rule)


def _hours(said: _OpeningHours | None) -> OpeningHours:
    if said is None:
        return UNKNOWN_HOURS
    week = said.weekly
    special = [SpecialDay(item.day, _blocks(item.blocks), item.reason, item.note) for item in said.special]
    return OpeningHours(
        None if week is None else tuple(_blocks(getattr(week, day)) for day in WEEKDAYS),
        tuple(sorted(special, key=lambda item: item.day)),
    )


def _absence(said: _Absence | None) -> Absence | None:
    if said is None:
        return None
    stand_in = said.substitute
    return Absence(said.first_day, said.last_day, Substitute(stand_in.text, stand_in.telephone) if stand_in else None)
