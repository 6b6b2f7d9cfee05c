"""Whether practices are open, by slot."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from directory_service.rules.index.entry import IndexedPractice
from directory_service.rules.index.map_places import SlotArray
from directory_service.rules.index.postings import Flags
from directory_service.rules.index.room import grown
from directory_service.rules.opening_hours import BERLIN, OpenState

_DAYS, _BLOCKS = 7, 2
_STATES = (OpenState.CLOSED, OpenState.OPEN, OpenState.UNKNOWN)
_UNKNOWN = 2


class OpeningTimes:
    """Whether the practices in the slots are open; ordinary weeks are looked up, the others are asked one by one."""

    def __init__(self) -> None:
        self._opens: NDArray[np.uint16] = np.zeros((_DAYS, _BLOCKS, 0), dtype=np.uint16)
        self._closes: NDArray[np.uint16] = np.zeros((_DAYS, _BLOCKS, 0), dtype=np.uint16)
        self._known: Flags = np.zeros(0, dtype=np.bool_)
        self._special: Flags = np.zeros(0, dtype=np.bool_)
        self._entries: dict[int, IndexedPractice] = {}

    def make_room(self, room: int) -> None:
        """Slots below ``room`` may come."""
        self._opens = grown(self._opens, room)
        self._closes = grown(self._closes, room)
        self._known = grown(self._known, room)
        self._special = grown(self._special, room)

    def insert(self, slot: int, entry: IndexedPractice) -> None:
        """Takes a slot in, or replaces it."""
        weekly = entry.opening_hours.weekly
        self._entries.pop(slot, None)
        self._special[slot] = not _ordinary(entry)
        self._known[slot] = weekly is not None
        if self._special[slot]:
            self._entries[slot] = entry
            return
        self._opens[:, :, slot] = self._closes[:, :, slot] = 0
        for day, blocks in enumerate(weekly or ()):
            for place, block in enumerate(blocks):
                self._opens[day, place, slot] = block.opens
                self._closes[day, place, slot] = block.closes

    def load(self, entries: Iterable[IndexedPractice]) -> None:
        """Takes slots 0, 1, 2, … in."""
        where, opens, closes = array("Q"), array("H"), array("H")
        room = len(self._known)
        for slot, entry in enumerate(entries):
            weekly = entry.opening_hours.weekly
            self._known[slot] = weekly is not None
            if not _ordinary(entry):
                self._special[slot] = True
                self._entries[slot] = entry
                continue
            for day, blocks in enumerate(weekly or ()):
                for place, block in enumerate(blocks):
                    where.append((day * _BLOCKS + place) * room + slot)
                    opens.append(block.opens)
                    closes.append(block.closes)
        self._opens.reshape(-1)[where] = opens
        self._closes.reshape(-1)[where] = closes

    def remove(self, slot: int) -> None:
        """Takes a slot out."""
        self._entries.pop(slot, None)
        self._special[slot] = False

    def states(self, at: datetime, slots: SlotArray) -> NDArray[np.uint8]:
        """What is known about a moment for each slot, as numbers that ``state_of`` reads."""
        local = at.astimezone(BERLIN)
        minute = local.hour * 60 + local.minute
        opens, closes = self._opens[local.weekday()][:, slots], self._closes[local.weekday()][:, slots]
        states: NDArray[np.uint8] = ((opens <= minute) & (minute < closes)).any(axis=0).astype(np.uint8)
        states[~self._known[slots]] = _UNKNOWN
        for place in np.flatnonzero(self._special[slots]).tolist():
            states[place] = _STATES.index(self._entries[int(slots[place])].open_state(at))
        return states


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
