"""Holds a whole profile against the bounds of its types: what passes, every reader can show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from directory_service.rules.profile import Profile
from directory_service.rules.specialties import SpecialtyTable


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


@dataclass(frozen=True, slots=True)
class ProfileRules:
    """What every profile keeps to, whoever wrote it.

    Attributes:
        specialties: the codes that the directory knows.
    """

    specialties: SpecialtyTable

    def faults(self, profile: Profile) -> list[ProfileFault]:
        """What of a profile must not be kept or shown; empty if all of it may."""
        return [*_out_of_bounds(profile), *self._unknown_codes(profile)]

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
