"""The scene of the broker's tests, on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gesundheitsid.scene import Scene, opened


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A broker whose people are all insured with one insurer."""
    async with opened(tmp_path, f"sqlite:///{tmp_path}/broker.db") as running:
        yield running
