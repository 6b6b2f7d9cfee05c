"""Ports: none is given to two processes of ours, however many ask at once, and a sandbox finds its own again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from sandbox.ports import HOST, is_free, keep_ports, reserve_port

_PROCESSES, _PORTS_EACH = 12, 150
_RESERVE_AND_WAIT = """
import sys
from sandbox.ports import reserve_port
print(*(reserve_port() for _ in range(int(sys.argv[1]))), flush=True)
sys.stdin.read()
"""


def _reserving(number: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _RESERVE_AND_WAIT, str(number)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _ports_of(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    return [int(port) for port in process.stdout.readline().split()]


def test_many_processes_that_ask_at_once_never_get_the_same_port() -> None:
    processes = [_reserving(_PORTS_EACH) for _ in range(_PROCESSES)]
    try:
        ports = [port for process in processes for port in _ports_of(process)]
        own = [reserve_port() for _ in range(_PORTS_EACH)]
    finally:
        for process in processes:
            process.communicate()
    assert len(ports) == _PROCESSES * _PORTS_EACH
    # So many at random would meet: 1,950 of 12,000 without a reservation do so about 150 times.
    assert len({*ports, *own}) == len(ports) + len(own)


def test_a_port_is_given_back_when_its_process_is_killed_and_not_before(tmp_path: Path) -> None:
    process = _reserving(1)
    (port,) = _ports_of(process)
    file = tmp_path / "ports.json"
    file.write_text(f'{{"a": {port}}}')
    assert is_free(port), "nobody listens there yet"
    assert keep_ports(["a"], file)["a"] != port
    process.send_signal(signal.SIGKILL)
    process.communicate()
    file.write_text(f'{{"a": {port}}}')
    assert keep_ports(["a"], file) == {"a": port}


def test_no_port_is_one_that_the_system_gives_to_outgoing_connections() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ours = {reserve_port() for _ in range(20)}
    with socket.socket() as outgoing:
        outgoing.bind((HOST, 0))
        assert first <= outgoing.getsockname()[1] <= last, "the system says itself what it gives"
    assert not any(first <= port <= last for port in ours)


def test_a_port_is_taken_on_every_address_of_the_machine() -> None:
    port = reserve_port()
    with socket.socket() as other:
        other.bind(("127.0.0.7", port))
        other.listen()
        assert not is_free(port)
    assert is_free(port)


def test_the_file_of_locks_is_nobody_elses() -> None:
    reserve_port()
    assert Path(f"/tmp/hek-messenger-ports-{os.geteuid()}").stat().st_mode & 0o777 == 0o600


def test_ports_are_kept_while_they_are_free_and_replaced_when_they_are_not(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = keep_ports(["a", "b"], file)
    assert first["a"] != first["b"]
    assert keep_ports(["a", "b"], file) == first
    with socket.socket() as other:
        other.bind((HOST, first["a"]))
        other.listen()
        assert not is_free(first["a"])
        second = keep_ports(["a", "b"], file)
    assert second["b"] == first["b"]
    assert second["a"] not in first.values()
