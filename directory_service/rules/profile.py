"""What a practice says about itself: what it does, where, for whom, when, and how it is written to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field

from directory_service.rules.absence import Absence
from directory_service.rules.opening_hours import UNKNOWN_HOURS, OpeningHours, OpenState, open_state
from directory_service.rules.profile_types import (
    MOST_MESSENGERS,
    AddressText,
    Languages,
    Latitude,
    Longitude,
    MatrixUserId,
    Note,
    Postcode,
    PracticeName,
    Specialties,
    each_once,
)


@dataclass(frozen=True, slots=True)
class Position:
    """A point on the map, in degrees (WGS 84)."""

    latitude: Latitude
    longitude: Longitude


@dataclass(frozen=True, slots=True)
class Address:
    """Where a practice is; ``position`` only if the practice itself said it."""

    line: AddressText
    postcode: Postcode
    city: AddressText
    position: Position | None = None


class Feature(StrEnum):
    """What makes a practice easier to come to; the codes of gematik's PhysicalFeatures."""

    BARRIER_FREE = "barrierefrei"
    PARKING = "parkmoeglichkeit"
    PUBLIC_TRANSPORT = "oepnv"
    PICKUP_MACHINE = "abholautomat"


class Grade(StrEnum):
    """How far a feature is there; a feature that is not named at all is unknown."""

    FULL = "full"
    PARTLY = "partly"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Accessibility:
    """One feature, how far it is there, and what a patient should know about it (may be empty)."""

    feature: Feature
    grade: Grade
    note: Note = ""


class MessengerKind(StrEnum):
    """What answers at a messenger address; the codes of gematik's EndpointDirectoryConnectionType."""

    TIM = "tim"
    TIM_FA = "tim-fa"
    TIM_BOT = "tim-bot"


@dataclass(frozen=True, slots=True)
class Messenger:
    """One messenger address.

    Attributes:
        user_id: the Matrix account.
        kind: what answers there.
        active: whether it does at present; otherwise nobody is led to it.
        hide_from_insured: gematik's ``hide-versicherte`` for this address: it is there for practices alone.
        linked: whether the practice's entry leads to it; one that is not linked is prepared, or about to be deleted.
    """

    user_id: MatrixUserId
    kind: MessengerKind = MessengerKind.TIM
    active: bool = True
    hide_from_insured: bool = False
    linked: bool = True

    @property
    def answers(self) -> bool:
        """Whether somebody who finds the practice can write there."""
        return self.active and self.linked


def _features_once(items: tuple[Accessibility, ...]) -> tuple[Accessibility, ...]:
    each_once([item.feature for item in items])
    return items


def _addresses_once(items: tuple[Messenger, ...]) -> tuple[Messenger, ...]:
    each_once([item.user_id for item in items])
    return items


Features = Annotated[tuple[Accessibility, ...], Field(max_length=len(Feature)), AfterValidator(_features_once)]
Messengers = Annotated[tuple[Messenger, ...], Field(max_length=MOST_MESSENGERS), AfterValidator(_addresses_once)]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a practice says about itself; before it wrote anything there is its name alone.

    Attributes:
        name: as patients read it.
        specialties: codes in the practice's own order.
        address: None until it is written.
        languages: BCP 47 tags, e.g. ``de`` or ``uk``, in the practice's own order.
        accessibility: each feature at most once.
        opening_hours: unknown until said.
        absence: the next or present one.
        messengers: its addresses in its own order; each user id once.
        hide_from_insured: gematik's ``hide-versicherte`` for all of it: only other practices find it.
    """

    name: PracticeName
    specialties: Specialties = ()
    address: Address | None = None
    languages: Languages = ()
    accessibility: Features = ()
    opening_hours: OpeningHours = UNKNOWN_HOURS
    absence: Absence | None = None
    messengers: Messengers = ()
    hide_from_insured: bool = False

    @property
    def spoken(self) -> tuple[str, ...]:
        """Its languages with all that are wider (RFC 4647, basic filtering): ``sr-Latn`` is ``sr`` too."""
        return _spoken(self.languages)

    @property
    def active_addresses(self) -> tuple[str, ...]:
        """The user ids that answer, in the practice's order."""
        return tuple(messenger.user_id for messenger in self.messengers if messenger.answers)

    @property
    def insured_addresses(self) -> tuple[str, ...]:
        """Those of them that do not hide from insured people."""
        if self.hide_from_insured:
            return ()
        return tuple(item.user_id for item in self.messengers if item.answers and not item.hide_from_insured)

    def open_state(self, at: datetime) -> OpenState:
        """Whether the practice is open at a moment, which has a zone; during an absence it is closed."""
        if self.absence is not None and self.absence.holds(at):
            return OpenState.CLOSED
        return open_state(self.opening_hours, at)


@lru_cache(10_000)
def _spoken(tags: tuple[str, ...]) -> tuple[str, ...]:
    subtags = [tag.split("-") for tag in tags]
    return tuple(dict.fromkeys("-".join(parts[:end]) for parts in subtags for end in range(len(parts), 0, -1)))
