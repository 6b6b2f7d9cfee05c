"""The supervisor, with real processes: what it says about a failed start, and that nothing outlives it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox import processes as under_test
from sandbox.ports import HOST, keep_ports
from sandbox.processes import Processes, ProcessSpec, StartFailed, last_words

SERVER = """
import http.server, os, signal, sys
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            print("Fault: the disk is full", flush=True)
            os._exit(3)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""


def spec(tmp_path: Path, name: str = "server", *arguments: str) -> ProcessSpec:
    port = keep_ports([name], tmp_path / f"{name}.json")[name]
    return ProcessSpec(name, ["-c", SERVER, str(port), *arguments], f"http://{HOST}:{port}/health")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def pids_of(running: Processes) -> list[int]:
    return [one.process.pid for one in running._running.values()]


async def test_a_process_that_ends_at_start_is_named_with_its_reason_and_log_file(tmp_path: Path) -> None:
    code = "import sys; print('listen.port: 99999 is not allowed', file=sys.stderr); sys.exit(2)"
    failing = ProcessSpec("directory", ["-c", code], f"http://{HOST}:1/health")
    with pytest.raises(StartFailed) as failure:
        await Processes(tmp_path).start(failing)
    for part in ("directory", "listen.port: 99999 is not allowed", str(tmp_path / "directory.log")):
        assert part in str(failure.value)


async def test_a_process_that_ends_without_a_word_is_named_with_its_exit_code(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="exit code 7"):
        await Processes(tmp_path).start(ProcessSpec("bot", ["-c", "raise SystemExit(7)"], f"http://{HOST}:1/health"))


async def test_a_process_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_START_S", 0.3)
    running = Processes(tmp_path)
    with pytest.raises(StartFailed, match="did not answer"):
        await running.start(ProcessSpec("bot", ["-c", "import time; time.sleep(60)"], f"http://{HOST}:1/health"))
    await running.stop_all()


async def test_a_process_that_ends_later_is_noticed(tmp_path: Path) -> None:
    running = Processes(tmp_path)
    first, second = spec(tmp_path, "first"), spec(tmp_path, "second")
    await running.start(first)
    await running.start(second)
    watch = asyncio.create_task(running.watch())
    _, writer = await asyncio.open_connection(HOST, int(second.arguments[2]))
    writer.write(b"GET /die HTTP/1.0\r\n\r\n")
    with pytest.raises(StartFailed, match="second failed: it ended with exit code 3: Fault: the disk is full"):
        await asyncio.wait_for(watch, 60)
    writer.close()
    await running.stop_all()


async def test_a_process_that_was_killed_is_told_by_its_signal(tmp_path: Path) -> None:
    running = Processes(tmp_path)
    await running.start(spec(tmp_path))
    watch = asyncio.create_task(running.watch())
    os.kill(pids_of(running)[0], signal.SIGKILL)
    with pytest.raises(StartFailed, match="server failed: it was ended by SIGKILL"):
        await asyncio.wait_for(watch, 60)
    await running.stop_all()


async def test_all_stop_at_once_and_a_stubborn_one_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_STOP_S", 0.5)
    running = Processes(tmp_path)
    await running.start(spec(tmp_path, "willing"))
    await running.start(spec(tmp_path, "stubborn", "stubborn"))
    await running.start(spec(tmp_path, "stubborn-too", "stubborn"))
    pids = pids_of(running)
    assert all(map(is_alive, pids))
    await running.stop_all()
    assert not any(map(is_alive, pids))


def test_no_process_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    port = keep_ports(["server"], tmp_path / "ports.json")["server"]
    supervisor = f"""
import asyncio, sys
from pathlib import Path
from sandbox.processes import Processes, ProcessSpec
async def main():
    running = Processes(Path({str(tmp_path)!r}))
    arguments = ["-c", {SERVER!r}, "{port}", "stubborn"]
    await running.start(ProcessSpec("child", arguments, "http://{HOST}:{port}/health"))
    print(running._running["child"].process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", supervisor], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 60
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(child)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", ""),
        ("first\nlast\n\n-----\n", "last"),
        ("Traceback (most recent call last):\n  File x\nValueError: too long\n", "ValueError: too long"),
        ("Error in configuration at 'modules':\n  no such file\n", "Error in configuration at 'modules': no such file"),
    ],
)
def test_the_last_words_of_a_log_are_its_last_line_and_what_belongs_to_it(
    tmp_path: Path, log: str, expected: str
) -> None:
    file = tmp_path / "log"
    file.write_text(log)
    assert last_words(file) == expected
