"""``python -m sandbox up``: starts everything in order, fills it, says so, and stays until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from messenger_core.service_auth.client import CallFailed
from messenger_core.service_auth.keys import read_private_key
from messenger_core.settings import SettingsError
from messenger_core.yaml_text import read_yaml
from sandbox import welcome
from sandbox.faults import SandboxFault
from sandbox.identity_provider.register import read_people
from sandbox.key_sign_in import sign_in_with_key
from sandbox.keys import CALLERS, OPERATOR, keep_keys
from sandbox.people import DEMO_PEOPLE, PRACTICES
from sandbox.ports import keep_ports
from sandbox.processes import Processes, ProcessSpec, bound_to
from sandbox.running import AlreadyRunning, Folder, Ready, own_folder, write_ready
from sandbox.seeding import Seeded, seed_accounts, seed_people, team_rooms
from sandbox.settings_files import (
    COMPONENTS,
    PORTS,
    SERVER_NAME,
    SERVICE_LOCALPART,
    SUPPORT_LOCALPART,
    Addresses,
    SettingsFiles,
    database_url,
)

_END_STORY_S = 2.0
_DATABASES = ("gesundheitsid", "homeserver", "directory", "bot", "retention")
_SETTINGS = {
    "identity-provider": "identity_provider.yaml",
    "gesundheitsid": "gesundheitsid.yaml",
    "homeserver": "homeserver.yaml",
    "synapse-modules": "synapse_modules.yaml",
    "directory": "directory_service.yaml",
    "bot": "bridge_bot.yaml",
    "retention": "retention.yaml",
}


class StoryFailed(SandboxFault):
    """The story did not end well; its own lines say where."""


_FAULTS = (SandboxFault, SettingsError, CallFailed, OSError)
"""What is told in a line; anything else is a fault of the sandbox itself."""


def _specs(folder: Folder, at: Addresses) -> dict[str, ProcessSpec]:
    arguments = {
        "identity-provider": ["-m", "sandbox.identity_provider", "--config"],
        "gesundheitsid": ["-m", "gesundheitsid", "--config"],
        "homeserver": ["-m", "synapse.app.homeserver", "-c"],
        "directory": ["-m", "directory_service", "--config"],
        "bot": ["-m", "bridge_bot", "run", "--config"],
        "retention": ["-m", "retention", "run", "--config"],
    }
    return {
        name: ProcessSpec(name, [*arguments[name], str(folder.config / _SETTINGS[name])], f"{at.of(name)}/health")
        for name in COMPONENTS
    }


async def _start_all(processes: Processes, specs: dict[str, ProcessSpec]) -> None:
    """Those that the others need come first; what does not wait for each other starts side by side."""
    for stage in (("identity-provider", "gesundheitsid", "homeserver", "directory"), ("bot", "retention")):
        async with asyncio.TaskGroup() as group:
            for name in stage:
                group.create_task(processes.start(specs[name]))
        for name in stage:
            welcome.say(f"  {name} answers at {specs[name].health.removesuffix('/health')}")


async def _ready(folder: Folder, at: Addresses, seeded: Seeded) -> Ready:
    people, _ = read_people(folder.people_file)
    agents = seeded.users("agents")
    practice_users = seeded.users("practices")
    bot_settings = read_yaml((folder.config / _SETTINGS["bot"]).read_text(encoding="utf-8"))
    rooms = await team_rooms(folder, set(agents.values()), {team["name"] for team in bot_settings["teams"]})
    operator = await sign_in_with_key(
        at.of("homeserver"),
        user_id=f"@{OPERATOR}:{SERVER_NAME}",
        client_id=OPERATOR,
        key=read_private_key(folder.keys.private(OPERATOR)),
        device_id="SANDBOX",
    )
    return Ready(
        homeserver=at.of("homeserver"),
        server_name=SERVER_NAME,
        identity_provider=at.of("identity-provider"),
        gesundheitsid=at.of("gesundheitsid"),
        federation_master=at.federation("federation-master"),
        sectoral_idp=at.federation("sectoral-idp"),
        federation_ca_file=str(folder.keys.ca_file),
        staff=f"{at.of('identity-provider')}/staff",
        directory=at.of("directory"),
        bot=at.of("bot"),
        retention=at.of("retention"),
        support_user=f"@{SUPPORT_LOCALPART}:{SERVER_NAME}",
        service_user=f"@{SERVICE_LOCALPART}:{SERVER_NAME}",
        people={person.name: {"kvnr": person.kvnr, "pin": person.pin} for person in people[:DEMO_PEOPLE]},
        practices={
            practice.name: {
                "user_id": practice_users[practice.name],
                "telematik_id": practice.telematik_id,
                "opted_in": practice.opts_in,
            }
            for practice in PRACTICES
        },
        agents={name: {"user_id": user_id} for name, user_id in agents.items()},
        support_rooms=rooms,
        admin_token=operator.access_token,
        log_dir=str(folder.logs),
        media_store=str(folder.media_store),
        database={name: database_url(folder, name) for name in _DATABASES},
        keys={name: str(folder.keys.private(name)) for name in CALLERS},
        config={name: str(folder.config / file) for name, file in _SETTINGS.items()},
    )


async def _play_story(folder: Folder) -> None:
    """Plays the story in a process of its own, whose lines go to the same terminal.

    Raises:
        StoryFailed: if a step is not as it should be.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "sandbox", "story", "--dir", str(folder.path)),
        start_new_session=True,
        preexec_fn=bound_to(os.getpid()),
    )
    try:
        code = await process.wait()
    finally:
        await _end_story(process)
    if code != 0:
        raise StoryFailed(f"the story failed; log files: {folder.logs}")


async def _end_story(process: asyncio.subprocess.Process) -> None:
    """Ends a story that is still playing, with the commands it started; it gets a moment to tidy up."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.returncode is None:
            os.killpg(process.pid, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(_END_STORY_S):
                    await process.wait()


@asynccontextmanager
async def _until_stopped() -> AsyncIterator[asyncio.Event]:
    """An event that SIGTERM and Ctrl-C set."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    yield stopped


async def _live(folder: Folder, processes: Processes, ready_file: Path, *, story: bool) -> None:
    for path in (folder.databases, folder.logs, folder.media_store):
        path.mkdir(parents=True, exist_ok=True)
    keep_keys(folder.keys.folder)
    ports = keep_ports(PORTS, folder.path / "ports.json")
    at = Addresses(ports)
    SettingsFiles(folder, ports).write()
    seed_people(folder)
    welcome.say("Starting:")
    await _start_all(processes, _specs(folder, at))
    seeded = await seed_accounts(folder, homeserver=at.of("homeserver"), directory=at.of("directory"))
    welcome.say("  agents have signed in, practices have joined")
    ready = await _ready(folder, at, seeded)
    write_ready(folder.running_file, ready)
    write_ready(ready_file, ready)
    welcome.tell(ready, folder)
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(processes.watch())
        if story:
            welcome.say("\nThe story, with people and practices of its own, so that those above stay yours to try:")
            await _play_story(folder)
            welcome.say("\nEverything runs. Stop it with Ctrl-C.")
        await watch


async def _run(folder: Folder, ready_file: Path, *, story: bool) -> int:
    processes = Processes(folder.logs)
    async with _until_stopped() as stopped:
        life = asyncio.create_task(_live(folder, processes, ready_file, story=story))
        stop = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
            if life.done():
                life.result()
            return 0
        except* _FAULTS as faults:
            for fault in _leaves(faults):
                welcome.complain(str(fault))
            return_code = 1
        finally:
            ready_file.unlink(missing_ok=True)
            folder.running_file.unlink(missing_ok=True)
            stop.cancel()
            life.cancel()
            await asyncio.gather(life, stop, return_exceptions=True)
            await processes.stop_all()
            welcome.say("Stopped.")
    return return_code


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for fault in group.exceptions:
        found += _leaves(fault) if isinstance(fault, BaseExceptionGroup) else [fault]
    return found


def run_up(directory: Path, ready_file: Path, *, story: bool) -> int:
    """Runs a sandbox until it is told to stop.

    Args:
        directory: its folder; made if it is not there, used again if it is.
        ready_file: the file to write when everything answers; gone when it stops.
        story: whether the story is played then.

    Returns:
        0 after SIGTERM or Ctrl-C, 1 if something failed or a sandbox runs in the folder already.
    """
    folder = Folder(directory.resolve())
    try:
        lock = own_folder(folder)
    except (AlreadyRunning, OSError) as fault:
        welcome.complain(str(fault))
        return 1
    with lock:
        # One that was left behind would say that everything answers.
        ready_file.unlink(missing_ok=True)
        return asyncio.run(_run(folder, ready_file.resolve(), story=story))
