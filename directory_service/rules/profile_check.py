"""Holds a whole profile against the bounds of its types: what passes, every reader can show."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from directory_service.rules.profile import Profile
from directory_service.rules.profile_types import BOUNDS
from directory_service.rules.specialties import SpecialtyTable
from messenger_core.people_names import ReservedNames


class _Checked(BaseModel):
    model_config = ConfigDict(revalidate_instances="always", extra="forbid", strict=True)

    profile: Profile


@dataclass(frozen=True, slots=True)
class ProfileFault:
    """A part of a profile that is out of bounds.

    Attributes:
        place: where it stands, e.g. ``opening_hours.special.0.day``.
        text: what is allowed; it never holds the value.
    """

    place: str
    text: str


POSING = "it has a name of the insurer in it, or looks as if it had; give the practice's own"


@dataclass(frozen=True, slots=True)
class ProfileRules:
    """What every profile keeps to, whoever wrote it.

    Attributes:
        specialties: the codes that the directory knows.
        reserved: the names of the house, which no practice may bear or look as if it bore.
    """

    specialties: SpecialtyTable
    reserved: ReservedNames

    @property
    def mark(self) -> str:
        """A digest that is another one when the rules are others."""
        said = (BOUNDS, self.specialties.codes(), sorted(self.reserved.names), sorted(self.reserved.allowed))
        return hashlib.sha256(repr(said).encode()).hexdigest()[:32]

    def faults(self, profile: Profile) -> list[ProfileFault]:
        """What of a profile must not be kept or shown; empty if all of it may."""
        return [*_out_of_bounds(profile), *self._unknown_codes(profile), *self._posing(profile)]

    def name_faults(self, name: str) -> list[ProfileFault]:
        """Why a name cannot be a practice's; empty if it can."""
        return self.faults(Profile(name))

    def _posing(self, profile: Profile) -> Iterator[ProfileFault]:
        """Name and city stand together in what messengers show of a practice."""
        shown = {"name": profile.name} | ({"address.city": profile.address.city} if profile.address else {})
        for place, text in shown.items():
            if self.reserved.are_in(text):
                yield ProfileFault(place, POSING)

    def _unknown_codes(self, profile: Profile) -> Iterator[ProfileFault]:
        for place in self.specialties.unknown(profile.specialties):
            allowed = ", ".join(self.specialties.codes())
            yield ProfileFault(f"specialties.{place}", f"unknown code; allowed are {allowed}")


def _out_of_bounds(profile: Profile) -> list[ProfileFault]:
    try:
        _Checked(profile=profile)
    except ValidationError as faults:
        return [
            ProfileFault(".".join(map(str, fault["loc"][1:])), fault["msg"].removeprefix("Value error, "))
            for fault in faults.errors(include_url=False, include_input=False, include_context=False)
        ]
    return []
