"""Whether practices are open, by slot."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from directory_service.rules.opening_hours import BERLIN, OpenState
from directory_service.search.index.entry import IndexedPractice
from directory_service.search.index.postings import Flags, SlotArray
from directory_service.search.index.room import grown

Weeks = NDArray[np.uint16]
_DAYS, _BLOCKS = 7, 2
_STATES = (OpenState.CLOSED, OpenState.OPEN, OpenState.UNKNOWN)
_UNKNOWN = 2


class WeekColumn:
    """Opening hours one behind another, for a load: 58 bytes each."""

    def __init__(self) -> None:
        self._weeks = array("H")
        self._known = bytearray()
        self._special: dict[int, IndexedPractice] = {}

    def append(self, entry: IndexedPractice) -> None:
        """Takes the next ones in."""
        if not _ordinary(entry):
            self._special[len(self._known)] = entry
        self._weeks.extend(_week(entry))
        self._known.append(entry.opening_hours.weekly is not None)

    def in_order(self, order: Sequence[int]) -> tuple[Weeks, Flags, dict[int, IndexedPractice]]:
        """All weeks in an order, which of them are known, and by their places the entries that are asked themselves."""
        places = np.array(order, dtype=np.intp)
        weeks = np.frombuffer(self._weeks, dtype=np.uint16).reshape(-1, _DAYS, _BLOCKS * 2)
        known = np.frombuffer(self._known, dtype=np.bool_)
        special = {slot: self._special[arrived] for slot, arrived in enumerate(order) if arrived in self._special}
        return weeks[places], known[places], special


class OpeningTimes:
    """Whether the practices in the slots are open; ordinary weeks are looked up, the others are asked one by one."""

    def __init__(self) -> None:
        self._weeks: Weeks = np.zeros((0, _DAYS, _BLOCKS * 2), dtype=np.uint16)
        self._known: Flags = np.zeros(0, dtype=np.bool_)
        self._special: Flags = np.zeros(0, dtype=np.bool_)
        self._entries: dict[int, IndexedPractice] = {}

    def make_room(self, room: int) -> None:
        """Slots below ``room`` may come."""
        self._weeks = grown(self._weeks, room, axis=0)
        self._known = grown(self._known, room)
        self._special = grown(self._special, room)

    def insert(self, slot: int, entry: IndexedPractice) -> None:
        """Takes a slot in, or replaces it."""
        self._entries.pop(slot, None)
        self._special[slot] = not _ordinary(entry)
        if self._special[slot]:
            self._entries[slot] = entry
        self._known[slot] = entry.opening_hours.weekly is not None
        self._weeks[slot] = np.reshape(_week(entry), self._weeks.shape[1:])

    def load(self, weeks: WeekColumn, order: Sequence[int]) -> None:
        """Takes slots 0, 1, 2, … in, whose weeks stand in an order."""
        count = len(order)
        self._weeks[:count], self._known[:count], self._entries = weeks.in_order(order)
        self._special[list(self._entries)] = True

    def remove(self, slot: int) -> None:
        """Takes a slot out."""
        self._entries.pop(slot, None)
        self._special[slot] = False

    def states(self, at: datetime, slots: SlotArray) -> NDArray[np.uint8]:
        """What is known about a moment for each slot, as numbers that ``state_of`` reads."""
        local = at.astimezone(BERLIN)
        minute = local.hour * 60 + local.minute
        day = self._weeks[slots, local.weekday()]
        states: NDArray[np.uint8] = ((day[:, ::2] <= minute) & (minute < day[:, 1::2])).any(axis=1).astype(np.uint8)
        states[~self._known[slots]] = _UNKNOWN
        for place in np.flatnonzero(self._special[slots]).tolist():
            states[place] = _STATES.index(self._entries[int(slots[place])].open_state(at))
        return states


def _week(entry: IndexedPractice) -> array[int]:
    """When blocks open and close, in minutes: for each day two blocks; nothing if it is not ordinary or unknown."""
    week = array("H", bytes(2 * _DAYS * _BLOCKS * 2))
    if _ordinary(entry):
        for day, blocks in enumerate(entry.opening_hours.weekly or ()):
            place = day * _BLOCKS * 2
            for block in blocks:
                week[place], week[place + 1] = block.opens, block.closes
                place += 2
    return week


def _ordinary(entry: IndexedPractice) -> bool:
    hours = entry.opening_hours
    few_blocks = hours.weekly is None or max(map(len, hours.weekly)) <= _BLOCKS
    return entry.absence is None and not hours.special and few_blocks


def state_of(number: int) -> OpenState:
    """The state that a number stands for."""
    return _STATES[number]


def numbers_of(states: Iterable[OpenState]) -> list[int]:
    """The numbers that stand for some states."""
    return [_STATES.index(state) for state in states]
