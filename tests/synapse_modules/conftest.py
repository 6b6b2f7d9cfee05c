"""One real Synapse with the module for all tests that talk to it over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.synapse_modules.homeserver_under_test import Homeserver, running_homeserver
from tests.synapse_modules.workers_under_test import HomeserverWithWorkers, running_homeserver_with_workers


@pytest.fixture(scope="session")
def homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """Runs until all tests are done."""
    with running_homeserver(tmp_path_factory.mktemp("homeserver")) as running:
        yield running


@pytest.fixture(scope="session")
def workers(tmp_path_factory: pytest.TempPathFactory, postgresql_server: str) -> Iterator[HomeserverWithWorkers]:
    """PostgreSQL, Redis, a main process and two workers; runs until all tests are done."""
    with running_homeserver_with_workers(tmp_path_factory.mktemp("workers"), postgresql_server) as running:
        yield running
