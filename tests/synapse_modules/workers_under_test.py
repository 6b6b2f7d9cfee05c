"""The homeserver under test as it grows: PostgreSQL, Redis, the main process and two workers, all real."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from sandbox.ports import reserve_port
from tests.conftest import lacking
from tests.synapse_modules.homeserver_under_test import (
    REPOSITORY,
    Homeserver,
    running_homeserver,
    wait_until_it_answers,
)
from tests.synapse_modules.postgresql_under_test import HomeserverOnPostgresql, connection_settings, new_database
from tests.synapse_process import WORKER, SynapseProcess, start_synapse

_WORKERS = ("worker1", "worker2")
_START_TIMEOUT_S = 60
# What the operator's example leaves off, and what others may switch on: a lock must hold there too.
_EVERYTHING_ON: dict[str, Any] = {
    "presence": {"enabled": True},
    "max_event_delay_duration": "1d",
    # The push gateway of the tests is on loopback.
    "ip_range_whitelist": ["127.0.0.1"],
    # Proposals that bring paths or streams of their own.
    "experimental_features": {
        "msc3391_enabled": True,
        "msc3720_enabled": True,
        "msc3814_enabled": True,
        "msc4133_enabled": True,
        "msc4306_enabled": True,
        "msc4354_enabled": True,
    },
    "rc_delayed_event_mgmt": {"per_second": 1000, "burst_count": 1000},
    "rc_message": {"per_second": 1000, "burst_count": 1000},
    "rc_invites": {name: {"per_second": 1000, "burst_count": 1000} for name in ("per_room", "per_user", "per_issuer")},
}


@dataclass
class HomeserverWithWorkers(HomeserverOnPostgresql):
    """The operations of the homeserver under test against its main process; ``views`` has all processes."""

    worker_urls: tuple[str, ...] = ()
    redis: subprocess.Popen[bytes] | None = None
    worker_processes: list[SynapseProcess] = field(default_factory=list)

    @property
    def views(self) -> dict[str, Homeserver]:
        """The same operations against each process, by its name; only the client calls go there."""
        workers = {name: replace(self, calls_to=url) for name, url in zip(_WORKERS, self.worker_urls, strict=True)}
        return {"main": self, **workers}

    # -- the processes ------------------------------------------------------------------------------------------------

    def settings_files(self) -> list[Path]:
        return [*super().settings_files(), self.folder / "workers.yaml"]

    def start(self) -> None:
        super().start()
        for name in _WORKERS:
            self.worker_processes.append(
                start_synapse(
                    WORKER,
                    [*self.settings_files(), self.folder / f"{name}.yaml"],
                    folder=REPOSITORY,
                    log=self.folder / f"{name}.log",
                )
            )
        try:
            for name, url, process in zip(_WORKERS, self.worker_urls, self.worker_processes, strict=True):
                wait_until_it_answers(url, process, self.folder / f"{name}.log")
        except AssertionError:
            self.stop(signal.SIGKILL)
            raise

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        for process in self.worker_processes:
            process.send_signal(how)
        for process in self.worker_processes:
            process.wait(60)
        self.worker_processes.clear()
        super().stop(how)


@contextmanager
def _running_redis(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    program = shutil.which("redis-server")
    if program is None:
        lacking("redis-server (Debian package redis-server)")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen([program, *options], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while "Ready to accept connections" not in (folder / "redis.log").read_text():
            assert process.poll() is None, (folder / "redis.log").read_text()
            assert time.monotonic() < deadline, "Redis did not start"
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _example(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / "config/synapse" / name).read_text())
    return content


def _write_settings(
    folder: Path,
    main_port: int,
    redis_port: int,
    worker_ports: tuple[int, ...],
    worker_listener: Mapping[str, object] | None,
) -> None:
    """The operator's examples for workers, with this test's ports over them."""
    replication_port = reserve_port()
    (folder / "worker-replication-secret").write_text(secrets.token_hex())
    shared = _example("workers.yaml")
    shared["redis"]["port"] = redis_port
    shared["worker_replication_secret_path"] = str(folder / "worker-replication-secret")
    shared["instance_map"]["main"]["port"] = replication_port
    clients, replication = shared["listeners"]
    clients["port"], replication["port"] = main_port, replication_port
    if worker_listener is not None:
        shared["federation_sender_instances"] = [_WORKERS[-1]]
    (folder / "workers.yaml").write_text(yaml.safe_dump(shared))
    for name, port in zip(_WORKERS, worker_ports, strict=True):
        worker = _example("worker.yaml")
        worker["worker_name"] = name
        worker["worker_log_config"] = str(REPOSITORY / "config/synapse/log.yaml")
        worker["worker_listeners"][0]["port"] = port
        if worker_listener is not None and name == _WORKERS[0]:
            worker["worker_listeners"].append(dict(worker_listener))
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(worker))


def _add_module(path: Path, module: str) -> None:
    settings = yaml.safe_load(path.read_text())
    settings["modules"].append({"module": module, "config": {}})
    path.write_text(yaml.safe_dump(settings))


@contextmanager
def running_homeserver_with_workers(
    folder: Path, postgresql_server: str, *, worker_listener: Mapping[str, object] | None = None, **more: Any
) -> Iterator[HomeserverWithWorkers]:
    """The main process and two workers.

    Args:
        folder: where everything of them lies.
        postgresql_server: the address of a PostgreSQL (fixture ``postgresql_server``).
        worker_listener: where the first worker listens for other servers; the last one then sends to them.
        more: settings beside the examples' (see ``running_homeserver``).
    """
    database, redis_port = new_database(postgresql_server), reserve_port()
    worker_ports = tuple(reserve_port() for _ in _WORKERS)
    more_synapse = {
        **connection_settings(database),
        **_EVERYTHING_ON,
        **more.pop("more_synapse", {}),
    }

    def made(folder: Path, base: str, *rest: Any) -> HomeserverWithWorkers:
        _write_settings(folder, int(base.rpartition(":")[2]), redis_port, worker_ports, worker_listener)
        _add_module(folder / "homeserver.yaml", "tests.synapse_modules.registered_paths.RegisteredPaths")
        homeserver = HomeserverWithWorkers(folder, base, *rest)
        homeserver.database = database
        homeserver.worker_urls = tuple(f"http://127.0.0.1:{port}" for port in worker_ports)
        return homeserver

    with (
        _running_redis(folder, redis_port) as redis,
        running_homeserver(folder, more_synapse=more_synapse, made=made, **more) as running,
    ):
        assert isinstance(running, HomeserverWithWorkers)
        running.redis = redis
        yield running
