"""The homeserver that the tests of the Matrix session share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bare_homeserver import SERVER_NAME, Homeserver, make_homeserver

__all__ = ["SERVER_NAME", "Homeserver"]


@pytest.fixture(scope="session")
def homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """A Synapse on SQLite, for as long as the tests run."""
    homeserver = make_homeserver(tmp_path_factory.mktemp("homeserver"))
    homeserver.start()
    yield homeserver
    homeserver.stop()
