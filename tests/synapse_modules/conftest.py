"""Real Synapses with the module for all tests that talk to them over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.synapse_modules.certificate_authority import CertificateAuthority
from tests.synapse_modules.federation import Federation
from tests.synapse_modules.federation_of_workers import FederatingWorkers, among, running_federating_workers
from tests.synapse_modules.homeserver_under_test import Homeserver, running_homeserver
from tests.synapse_modules.workers_under_test import HomeserverWithWorkers


@pytest.fixture(scope="session")
def homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """Runs until all tests are done."""
    with running_homeserver(tmp_path_factory.mktemp("homeserver")) as running:
        yield running


@pytest.fixture(scope="session")
def federating_workers(
    tmp_path_factory: pytest.TempPathFactory, postgresql_server: str, loopback_authority: CertificateAuthority
) -> Iterator[FederatingWorkers]:
    """PostgreSQL, Redis, a main process and two workers; runs until all tests are done."""
    with running_federating_workers(
        tmp_path_factory.mktemp("workers"), postgresql_server, loopback_authority
    ) as running:
        yield running


@pytest.fixture(scope="session")
def workers(federating_workers: FederatingWorkers) -> HomeserverWithWorkers:
    """A homeserver with workers, its main process first."""
    return federating_workers.homeserver


@pytest.fixture(scope="session")
def federation_of_workers(federating_workers: FederatingWorkers, federation: Federation) -> Federation:
    """The same servers as ``federation``, with a homeserver of ours that has workers."""
    return among(federating_workers, federation)
