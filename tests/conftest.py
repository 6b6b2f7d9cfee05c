"""What tests of several components share: databases, homeservers, and tools that a machine may lack."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

import asyncpg
import hypothesis
import pytest

from sandbox.ports import reserve_port
from tests.synapse_process import fork_from_now_on

if TYPE_CHECKING:
    from tests.synapse_modules.certificate_authority import CertificateAuthority
    from tests.synapse_modules.federation import Federation

pytest_plugins = ("tests.how_it_runs",)
_START_TIMEOUT_S = 60
_LARGEST_PLAIN_NUMBER = 10**9
"""Seconds since 1970 are more."""

# A made-up example that takes long on a busy machine is no fault.
hypothesis.settings.register_profile("any-machine", deadline=None)
hypothesis.settings.load_profile("any-machine")


fork_from_now_on()


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Names cases by their place where the value may hold the moment at which it was made.

    Two processes that name a test differently run none at all.
    """
    is_moment = isinstance(val, int) and not isinstance(val, bool) and abs(val) > _LARGEST_PLAIN_NUMBER
    return argname if is_moment or isinstance(val, bytes) else None


def lacking(what: str) -> NoReturn:
    """Skips what this machine cannot run; in CI, where everything is installed, that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI=true allows no skip")
    pytest.skip(f"{what} is missing on this machine")


def postgresql_program(name: str) -> str | None:
    """Where one of PostgreSQL's programs lies; None if it is not installed."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    candidates = [shutil.which(name), *map(str, installed)]
    return next((candidate for candidate in candidates if candidate), None)


def _needed_postgresql_program(name: str) -> str:
    program = postgresql_program(name)
    if program is None:
        lacking(f"PostgreSQL's {name} (Debian package postgresql)")
    return program


@contextmanager
def running_postgresql() -> Iterator[str]:
    """The address of a real PostgreSQL on loopback, which root runs as the user ``postgres``."""
    initdb, postgres = _needed_postgresql_program("initdb"), _needed_postgresql_program("postgres")
    user = "postgres" if os.geteuid() == 0 else None
    with TemporaryDirectory() as folder:
        if user is not None:
            shutil.chown(folder, user)
        data, port = f"{folder}/data", reserve_port()
        subprocess.run(
            [initdb, "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"],
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
            cwd=folder,
        )
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off", "-c", "max_wal_size=96MB"]
        log = Path(folder, "log")
        with log.open("wb") as output:
            server = subprocess.Popen([postgres, "-D", data, *options], stderr=output, user=user, cwd=folder)
        try:
            deadline = time.monotonic() + _START_TIMEOUT_S
            while b"ready to accept connections" not in log.read_bytes():
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, "PostgreSQL did not start"
                time.sleep(0.05)
            yield f"postgresql://postgres@127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(_START_TIMEOUT_S)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL for all tests."""
    with running_postgresql() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of an empty database, once of each kind that a component may run on."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/component.db"
        return
    server = request.getfixturevalue("postgresql_server")
    name = f"test_{os.urandom(6).hex()}"
    await _execute(server, f"CREATE DATABASE {name} TEMPLATE template0")
    yield f"{server}/{name}"
    await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(server: str, statement: str) -> None:
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(statement)
    await connection.close()


@pytest.fixture(scope="session")
def loopback_authority() -> CertificateAuthority:
    """Whom all homeservers of the tests trust that federate."""
    from tests.synapse_modules.certificate_authority import CertificateAuthority

    return CertificateAuthority("Loopback")


@pytest.fixture(scope="session")
def federation(
    tmp_path_factory: pytest.TempPathFactory, loopback_authority: CertificateAuthority
) -> Iterator[Federation]:
    """Two homeservers that federate, and hostile ones; runs until all tests are done."""
    # Synapse is not loaded for tests that need none.
    from tests.synapse_modules.federation import running_federation

    with running_federation(tmp_path_factory.mktemp("federation"), loopback_authority) as running:
        yield running
