"""Memory that is put on huge pages holds what it held, and a system without them is left as it is."""

from __future__ import annotations

import hashlib
import random
from ctypes import addressof, c_char
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from pathlib import Path

import pytest

from directory_service.adapters.huge_pages import use_huge_pages


def _on_huge_pages() -> int:
    """Bytes of this process that lie on huge pages, as the system counts them."""
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    line = next(line for line in rollup.splitlines() if line.startswith("AnonHugePages"))
    return int(line.split()[1]) * 1024


def test_what_memory_holds_stays_and_the_system_counts_the_pages() -> None:
    held = bytearray(random.Random(5).randbytes(2**25))
    before = hashlib.sha256(held).digest()
    moved = use_huge_pages()
    assert hashlib.sha256(held).digest() == before
    # The system may take some away again, or have had some before.
    assert _on_huge_pages() >= moved // 2


def test_where_no_list_of_memory_is_nothing_is_moved(tmp_path: Path) -> None:
    assert use_huge_pages(tmp_path / "maps") == 0


def test_memory_of_files_and_of_the_system_is_left_alone(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    with mmap(-1, 2**23, flags=MAP_PRIVATE | MAP_ANONYMOUS) as held:
        held.write(random.Random(5).randbytes(2**23))
        first = addressof(c_char.from_buffer(held))
        whole = f"{first:x}-{first + 2**23:x}"
        for other in ("r--p 0 00:00 0", "rw-p 0 08:01 1234 /usr/lib/a library.so", "rw-p 0 00:00 0 [stack]"):
            maps.write_text(f"{whole} {other}\n")
            assert use_huge_pages(maps) == 0, other
        maps.write_text(f"{whole} rw-p 0 00:00 0\n")
        if not use_huge_pages(maps):
            pytest.skip("this system puts nothing on huge pages (Linux 6.1 and later do)")
