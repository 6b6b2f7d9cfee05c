"""No attack of the table comes to anything, and each honest request beside it is served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.attack import Attack
from tests.security.house import Runner, open_house
from tests.security.limits import limits_as_markdown
from tests.security.table import ATTACKS, DOCUMENT, LIMITS, TABLE, as_markdown, documented

_TIMEOUT_S = 280
_TRIES = 3
"""A wait that something else on the machine made is not there again; one that the attack made is."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with open_house(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.mark.parametrize("attack", TABLE, ids=[attack.name for attack in TABLE])
def test_attack(house: Runner, attack: Attack) -> None:
    for _ in range(_TRIES):
        outcome = house.run(attack.attempt, _TIMEOUT_S / _TRIES)
        assert outcome.allowed, f"the honest request was not served either: {outcome.said}"
        assert outcome.stopped, outcome.said
        assert attack.kind.is_about_time is (outcome.longest_wait_ms is not None)
        if outcome.longest_wait_ms is None or outcome.longest_wait_ms <= 10 * attack.component.longest_wait_ms:
            return
    pytest.fail(f"others waited for {outcome.longest_wait_ms:.0f} ms each time: {outcome.said}")


def test_names_are_unique() -> None:
    assert len({attack.name for attack in TABLE}) == len(TABLE)


def test_the_document_tells_of_every_attack() -> None:
    assert documented(DOCUMENT.read_text(encoding="utf-8"), ATTACKS) == as_markdown(TABLE)


async def test_the_document_tells_the_limits_of_every_endpoint(tmp_path: Path) -> None:
    assert documented(DOCUMENT.read_text(encoding="utf-8"), LIMITS) == await limits_as_markdown(tmp_path)
