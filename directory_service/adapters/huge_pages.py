"""Puts the memory of this process on huge pages, where the system can.

A search reads in hundreds of places of half a gigabyte. With pages of four kilobytes nearly each is first looked up in
the page table, which costs more than the read; one of two megabytes is mostly known already. Nothing changes but that.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_HUGE = 2**21
_MADV_COLLAPSE = 25
"""Linux 6.1 and later, ``linux/mman.h``."""
_MAPS = Path("/proc/self/maps")


def use_huge_pages(maps: Path = _MAPS) -> int:
    """Asks the system to put all memory that was allocated until now on huge pages; takes some seconds for a gigabyte.

    Other threads go on meanwhile. Where the system has no such pages, or no more of them, memory stays as it is.

    Args:
        maps: the list of this process's memory (``proc_pid_maps(5)``).

    Returns:
        How many bytes the system says lie on huge pages now.
    """
    if not sys.platform.startswith("linux") or not maps.exists():
        return 0
    madvise = ctypes.CDLL(None).madvise
    moved = 0
    for first, end in _allocated(maps.read_text(encoding="utf-8")):
        # One after the other: where one page cannot be had, the others may.
        for page in range(-(-first // _HUGE) * _HUGE, end - _HUGE + 1, _HUGE):
            if madvise(ctypes.c_void_p(page), ctypes.c_size_t(_HUGE), _MADV_COLLAPSE) == 0:
                moved += _HUGE
    return moved


def _allocated(maps: str) -> list[tuple[int, int]]:
    """The first and the last address but one of what belongs to no file: what Python and NumPy have allocated."""
    found = []
    for line in maps.splitlines():
        addresses, may, _, _, file, *name = line.split(maxsplit=5)
        if file == "0" and may == "rw-p" and (not name or name == ["[heap]"]):
            first, _, end = addresses.partition("-")
            found.append((int(first, 16), int(end, 16)))
    return found
