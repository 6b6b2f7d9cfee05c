"""The practices that are shown, as one process holds them, and who sees which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from directory_service.rules.practice import Practice, is_listed, is_open_to_insured

Audience = Literal["insured", "practices"]


def sees(audience: Audience, practice: Practice) -> bool:
    """Whether a listed practice is shown to an audience: ``hide-versicherte`` hides it from insured people."""
    return audience == "practices" or is_open_to_insured(practice)


def _as_seen_by(audience: Audience, practice: Practice) -> Practice | None:
    """A listed practice as an audience is shown it: without what is not linked, or hides from insured people."""
    if not sees(audience, practice):
        return None
    profile, all_of_them = practice.profile, audience == "practices"
    seen = tuple(item for item in profile.messengers if item.linked and (all_of_them or not item.hide_from_insured))
    return practice if seen == profile.messengers else replace(practice, profile=replace(profile, messengers=seen))


@dataclass(slots=True, eq=False)
class Shown:
    """A practice as an audience is shown it.

    Attributes:
        practice: without what is hidden from the audience.
        entry: the prepared JSON of its entry, perhaps packed (``Fragments.entry``); None until somebody needs it.
    """

    practice: Practice
    entry: bytes | None = None


class Listing:
    """Listed practices by their ids, also as each audience is shown them."""

    def __init__(self) -> None:
        self._practices: dict[str, Practice] = {}
        self._seen: dict[Audience, dict[str, Shown]] = {"insured": {}, "practices": {}}
        self._telematik_ids: dict[str, str] = {}

    def put(self, practice: Practice) -> None:
        """Takes a practice as it is now; one that is no longer listed is dropped."""
        self.drop(practice.resource_id)
        if is_listed(practice):
            self._practices[practice.resource_id] = practice
            self._telematik_ids[practice.telematik_id] = practice.resource_id
            known: list[Shown] = []
            for audience, practices in self._seen.items():
                seen = _as_seen_by(audience, practice)
                if seen is not None:
                    shown = next((one for one in known if one.practice == seen), None) or Shown(seen)
                    practices[practice.resource_id] = shown
                    known.append(shown)

    def drop(self, resource_id: str) -> None:
        """Forgets a practice, if it is known."""
        known = self._practices.pop(resource_id, None)
        if known is not None:
            del self._telematik_ids[known.telematik_id]
            for practices in self._seen.values():
                practices.pop(resource_id, None)

    def __len__(self) -> int:
        return len(self._practices)

    def get(self, resource_id: str) -> Practice | None:
        """The practice with this logical id."""
        return self._practices.get(resource_id)

    def shown_to(self, audience: Audience) -> Mapping[str, Shown]:
        """The practices as an audience is shown them, by logical id; without those that are hidden from them."""
        return self._seen[audience]

    def seen_by(self, audience: Audience, resource_id: str) -> Practice | None:
        """The practice with this logical id as an audience is shown it; None if it is hidden from them."""
        shown = self._seen[audience].get(resource_id)
        return None if shown is None else shown.practice

    def by_telematik_id(self, telematik_id: str) -> Practice | None:
        """The practice with this Telematik-ID."""
        return self._practices.get(self._telematik_ids.get(telematik_id, ""))

    def __iter__(self) -> Iterator[Practice]:
        """All of them, in no order; it may be changed meanwhile."""
        return iter(list(self._practices.values()))
