"""A fresh messenger on a real SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge_bot.settings import BotSettings
from messenger_core.database import open_database
from tests.bridge_bot.scene import Scene, settings_in


@pytest.fixture
def settings_values(tmp_path: Path) -> dict[str, Any]:
    return settings_in(tmp_path)


@pytest.fixture
async def scene(settings_values: dict[str, Any]) -> AsyncIterator[Scene]:
    settings = BotSettings.model_validate(settings_values)
    engine = await open_database(settings.database, "bridge_bot")
    scene = Scene(engine, settings)
    await scene.settle()
    yield scene
    await engine.dispose()
