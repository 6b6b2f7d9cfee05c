"""The commands: ``up``, ``sign-in``, ``confirm``, ``call`` and ``story``."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

import aiohttp

from messenger_core.log import log_to_stderr
from messenger_core.service_auth.client import CallFailed
from sandbox import welcome
from sandbox.faults import SandboxFault, WrongCommand
from sandbox.identities import sign_device
from sandbox.machine_calls import machine_call, personal_call
from sandbox.running import Folder, NotRunning, Ready, read_running
from sandbox.sign_in_by_name import sign_in_by_name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--dir", type=Path, required=True, help="the sandbox's folder")

    up = commands.add_parser("up", parents=[folder], help="start everything; Ctrl-C or SIGTERM stops it")
    up.add_argument("--ready", type=Path, required=True, help="the file (JSON) to write when everything answers")
    up.add_argument("--no-story", action="store_true", help="do not play the story")

    sign_in = commands.add_parser("sign-in", parents=[folder], help="sign a person, practice or agent in")
    sign_in.add_argument("name", help="erika, max, jonas, sommer, berg …")
    sign_in.add_argument("--device", help="the device's id")

    confirm = commands.add_parser(
        "confirm", parents=[folder], help="sign somebody's device (cross-signing), as she does with her recovery key"
    )
    confirm.add_argument("name", help="whose it is: erika, berg …")
    confirm.add_argument("device", help="the device's id; its client must have uploaded its keys")

    call = commands.add_parser("call", parents=[folder], help="make one authenticated call of docs/contracts.md")
    call.add_argument("caller", help="core-system, homeserver, directory, bot, retention, a practice, or a person")
    call.add_argument("method")
    call.add_argument("path", help="component:/path")
    call.add_argument("json", nargs="?", help="the body")

    story = commands.add_parser("story", parents=[folder], help="play the story on a running sandbox")
    story.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a step")
    return parser


async def _sign_in(arguments: argparse.Namespace, ready: Ready) -> int:
    signed_in = await sign_in_by_name(arguments.dir, ready, arguments.name, arguments.device)
    welcome.say(json.dumps(asdict(signed_in)))
    return 0


async def _confirm(arguments: argparse.Namespace, ready: Ready) -> int:
    signed_in = await sign_in_by_name(arguments.dir, ready, arguments.name, "SANDBOXCONFIRM")
    identity = Folder(arguments.dir).identity_of(signed_in.user_id)
    await sign_device(ready.homeserver, signed_in, identity, arguments.device)
    welcome.say(json.dumps({"user_id": signed_in.user_id, "device_id": arguments.device, "signed": True}))
    return 0


async def _call(arguments: argparse.Namespace, ready: Ready) -> int:
    if arguments.caller in ready.people:
        person = await sign_in_by_name(arguments.dir, ready, arguments.caller, "SANDBOXCALL")
        status, body = await personal_call(ready, person, arguments.method, arguments.path)
    else:
        body = None if arguments.json is None else json.loads(arguments.json)
        try:
            status, body = await machine_call(ready, arguments.caller, arguments.method, arguments.path, body)
        except CallFailed as fault:
            welcome.say(json.dumps({"status": fault.status, "body": {"error": fault.problem}}))
            welcome.complain(f"{arguments.caller} may not make this call, or nobody answers: {fault}")
            return 1
    welcome.say(json.dumps({"status": status, "body": body}, ensure_ascii=False))
    return 0


def _on_running(arguments: argparse.Namespace) -> int:
    command = {"sign-in": _sign_in, "confirm": _confirm, "call": _call}[arguments.command]
    try:
        return asyncio.run(command(arguments, read_running(arguments.dir)))
    except json.JSONDecodeError as fault:
        welcome.complain(f"the body is not JSON: {fault}")
        return 2
    except WrongCommand as fault:
        welcome.complain(str(fault))
        return 2
    except SandboxFault as fault:
        welcome.complain(str(fault))
        return 1
    except aiohttp.ClientError as fault:
        welcome.complain(f"a component does not answer ({type(fault).__name__}); is the sandbox still running?")
        return 1


def _story(arguments: argparse.Namespace) -> int:
    from sandbox.story import play

    log_to_stderr(logging.WARNING)
    try:
        return play(arguments.dir.resolve(), arguments.as_json)
    except NotRunning as fault:
        welcome.complain(str(fault))
        return 1
    except KeyboardInterrupt:
        return 130


def main() -> int:
    """Runs one command; 0 if it did what it says, 1 if it failed, 2 if it was called wrongly."""
    arguments = _parser().parse_args()
    if arguments.command == "up":
        from sandbox.up import run_up

        return run_up(arguments.dir, arguments.ready, story=not arguments.no_story)
    if arguments.command == "story":
        return _story(arguments)
    return _on_running(arguments)


if __name__ == "__main__":
    sys.exit(main())
