"""The order of the suite: long files are known by names that exist, and another order keeps together what is shared."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import cast

import pytest

from tests.how_it_runs import _LONGEST_FIRST, _OWN_SERVERS, _scope, _shuffle

_TOP = Path(__file__).parents[1]


@dataclass(frozen=True)
class _Item:
    nodeid: str


_ITEMS = [
    _Item(f"{file}::test_{number}")
    for file in ("tests/system/test_a.py", "tests/system/test_b.py", "tests/test_c.py", *sorted(_OWN_SERVERS))
    for number in range(5)
]


def test_what_comes_first_and_what_has_servers_of_its_own_exists() -> None:
    assert [file for file in (*_LONGEST_FIRST, *_OWN_SERVERS) if not (_TOP / file).exists()] == []
    assert len(set(_LONGEST_FIRST)) == len(_LONGEST_FIRST)


def test_another_order_has_every_test_and_keeps_scopes_and_files_together() -> None:
    orders = set()
    for seed in range(5):
        items = list(_ITEMS)
        _shuffle(cast("list[pytest.Item]", items), random.Random(seed))
        assert sorted(item.nodeid for item in items) == sorted(item.nodeid for item in _ITEMS)
        nodeids = [item.nodeid for item in items]
        for stretches in (groupby(map(_scope, nodeids)), groupby(nodeid.partition("::")[0] for nodeid in nodeids)):
            found = [key for key, _ in stretches]
            assert len(found) == len(set(found)), "each is one stretch"
        orders.add(tuple(item.nodeid for item in items))
    assert len(orders) > 1
