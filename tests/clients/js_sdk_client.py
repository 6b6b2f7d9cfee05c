"""A person's client that shares no code with the session: matrix-js-sdk with Rust crypto, in a process of its own."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from sandbox.headless_sign_in import SignedIn
from tests.clients.node import installed_client, node_program

ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
# Generous, since all tests share two cores; a line of the protocol holds one event at most.
_WAIT_S = 60.0
_END_S = 20.0
_LONGEST_LINE = 2**24


class JsSdkFault(Exception):  # noqa: N818 - reads as what happened
    """The client refused a command; the text is the SDK's."""


@dataclass(frozen=True, slots=True)
class JsSdkSeen:
    """An event as the SDK shows it to a person.

    Attributes:
        encrypted: whether it came encrypted and could be read.
        failure: the SDK's code for why it cannot be read, e.g. ``UNSIGNED_SENDER_DEVICE``; None if it can.
    """

    room_id: str
    event_id: str
    sender: str
    type: str
    content: Mapping[str, Any]
    encrypted: bool
    failure: str | None

    @property
    def body(self) -> str:
        """The text of a message, empty for anything else."""
        return str(self.content.get("body", "")) if self.failure is None else ""


class JsSdkClient:
    """One device, whose keys last as long as its process; ``run_js_sdk_client`` opens it."""

    def __init__(self, homeserver: str, signed_in: SignedIn, process: asyncio.subprocess.Process, files: Path) -> None:
        """Takes a started program, and a folder through which files go in and out."""
        self.homeserver = homeserver
        self.signed_in = signed_in
        self.seen: dict[str, JsSdkSeen] = {}
        """Event id to how the event looked last."""
        self._process = process
        self._files = files
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        """Takes in what the program says until it ends; whoever still waits for an answer then fails."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message = json.loads(line)
            if "id" in message:
                answer = self._answers.pop(message["id"])
                if "fault" in message:
                    answer.set_exception(JsSdkFault(message["fault"]))
                else:
                    answer.set_result(message["result"])
                continue
            event = JsSdkSeen(**message["seen"])
            async with self._news:
                self.seen[event.event_id] = event
                self._news.notify_all()
        for answer in self._answers.values():
            answer.set_exception(JsSdkFault("the program ended"))

    async def command(self, command: str, **arguments: Any) -> Any:
        """Has the program do something and waits for its answer.

        Raises:
            JsSdkFault: with the SDK's error.
        """
        assert self._process.stdin is not None
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        line = json.dumps({"id": number, "command": command, "arguments": arguments})
        self._process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(_WAIT_S):
            await self._process.stdin.drain()
            return await answer

    # -- what the client sees -----------------------------------------------------------------------------------------

    async def wait_for(self, wanted: Callable[[JsSdkSeen], bool], what: str) -> JsSdkSeen:
        """The first event seen so far, or from now on, that is wanted.

        Raises:
            AssertionError: if it does not come in time; it names the decryption failures seen meanwhile.
        """
        try:
            async with asyncio.timeout(_WAIT_S), self._news:
                while True:
                    found = next((event for event in self.seen.values() if wanted(event)), None)
                    if found is not None:
                        return found
                    await self._news.wait()
        except TimeoutError:
            failures = sorted({event.failure for event in self.seen.values() if event.failure})
            raise AssertionError(f"{what} did not arrive within {_WAIT_S:.0f} s; unreadable: {failures}") from None

    async def wait_for_body(self, body: str) -> JsSdkSeen:
        """The message with exactly this text, encrypted on the wire."""
        return await self.wait_for(lambda event: event.body == body and event.encrypted, f"the message {body!r}")

    async def wait_until_together(self, room_id: str, *others: str) -> None:
        """Waits until this device sees the room encrypted, and everybody named in it."""
        users = [self.signed_in.user_id, *others]
        await self.command("wait_until_together", room_id=room_id, user_ids=users)

    async def devices(self, user_id: str) -> dict[str, bool]:
        """Somebody's devices, and whether each carries its owner's signature."""
        devices: dict[str, bool] = await self.command("devices", user_id=user_id)
        return devices

    async def wait_until_signed(self, device: SignedIn) -> None:
        """Waits until this client sees that a device carries its owner's signature."""
        await self.command("wait_until_signed", user_id=device.user_id, device_id=device.device_id)

    # -- what the client does -----------------------------------------------------------------------------------------

    async def open_chat(self, *others: str, wait: bool = True) -> str:
        """Makes an encrypted room, invites the others, and waits until they joined; the room id."""
        body = {"preset": "trusted_private_chat", "invite": list(others), "initial_state": [ENCRYPTION]}
        headers = {"Authorization": f"Bearer {self.signed_in.access_token}"}
        address = f"{self.homeserver}/_matrix/client/v3/createRoom"
        async with aiohttp.ClientSession() as http, http.post(address, json=body, headers=headers) as answer:
            answer.raise_for_status()
            room_id = str((await answer.json())["room_id"])
        if wait:
            await self.wait_until_together(room_id, *others)
        return room_id

    async def join(self, room_id: str) -> None:
        """Accepts an invitation and waits until the room is there."""
        await self.command("join", room_id=room_id)
        await self.wait_until_together(room_id)

    async def send_text(self, room_id: str, body: str) -> str:
        """Sends an encrypted text; the event id."""
        return str(await self.command("send_text", room_id=room_id, body=body))

    async def send_file(self, room_id: str, data: bytes, name: str, media_type: str) -> str:
        """Encrypts, uploads and sends a file; the event id."""
        path = self._files / f"out-{next(self._numbers)}"
        path.write_bytes(data)
        answer = await self.command("send_file", room_id=room_id, path=str(path), name=name, media_type=media_type)
        return str(answer)

    async def fetch_file(self, event: JsSdkSeen) -> bytes:
        """Downloads and decrypts the file of an event; its hash is verified."""
        path = self._files / f"in-{next(self._numbers)}"
        await self.command("fetch_file", file=event.content["file"], path=str(path))
        return path.read_bytes()

    async def make_identity(self, *, auth: Mapping[str, Any] | None = None, anew: bool = False) -> str:
        """Makes the person's cross-signing identity and signs this device with it; the public master key.

        Args:
            auth: what the homeserver asks for before an identity may be replaced; nothing for the first one.
            anew: whether to replace an identity whose keys were lost.
        """
        return str(await self.command("make_identity", auth=auth, anew=anew))

    async def export_identity(self) -> dict[str, Any]:
        """The identity's private keys, for another device of the person."""
        secrets: dict[str, Any] = await self.command("export_identity")
        return secrets

    async def import_identity(self, secrets: Mapping[str, Any]) -> str:
        """Takes over another device's identity and signs this device; the public master key."""
        return str(await self.command("import_identity", secrets=secrets))


@asynccontextmanager
async def run_js_sdk_client(
    homeserver: str, signed_in: SignedIn, *, only_signed: bool = False
) -> AsyncIterator[JsSdkClient]:
    """A syncing client for as long as the block runs; afterwards its keys are lost, and its device id must not return.

    Args:
        homeserver: its base address.
        signed_in: a device that never had keys.
        only_signed: whether it speaks with cross-signed devices alone (MSC4153).
    """
    program = await asyncio.to_thread(installed_client, "js_sdk")
    with TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            node_program(),
            str(program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LONGEST_LINE,
        )
        client = JsSdkClient(homeserver, signed_in, process, Path(folder))
        listening = asyncio.create_task(client.listen())
        try:
            await client.command(
                "start",
                homeserver=homeserver,
                user_id=signed_in.user_id,
                device_id=signed_in.device_id,
                access_token=signed_in.access_token,
                only_signed=only_signed,
            )
            yield client
        finally:
            await _end(process)
            await asyncio.gather(listening, return_exceptions=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
