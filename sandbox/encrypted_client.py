"""A person's, a practice's or an agent's Matrix client: matrix-nio with vodozemac, as the story's witness."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import nio
from nio.crypto import decrypt_attachment, encrypt_attachment

from messenger_core.matrix.encryption.own_identity import OwnIdentity
from sandbox.faults import SandboxFault
from sandbox.headless_sign_in import SignedIn
from sandbox.identities import call_as, sign_device

ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
_SYNC_WAIT_MS = 10_000
_WAIT_S = 120.0
_Found = TypeVar("_Found")


class WaitedInVain(SandboxFault):
    """What should have reached a client did not in time."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as a client sees it, decrypted where it could be."""

    room_id: str
    event_id: str
    sender: str
    type: str
    content: Mapping[str, Any]
    encrypted: bool
    redacts: str | None

    @property
    def body(self) -> str:
        """The text of a message, empty for anything else."""
        return str(self.content.get("body", ""))


class EncryptedClient:
    """One device, syncing in the background; ``run_client`` opens it."""

    def __init__(self, homeserver: str, signed_in: SignedIn, store: Path, identity: OwnIdentity | None = None) -> None:
        """Takes a signed-in device, an empty folder for its keys, and the identity that signs it; unsigned without."""
        self._identity = identity
        self.signed_in = signed_in
        self.homeserver = homeserver
        self.seen: list[Seen] = []
        self.invitations: dict[str, str] = {}
        """Room id to inviter."""
        config = nio.AsyncClientConfig(encryption_enabled=True, store_sync_tokens=False, request_timeout=40)
        self._nio = nio.AsyncClient(
            homeserver, signed_in.user_id, device_id=signed_in.device_id, store_path=str(store), config=config
        )
        self._nio.restore_login(signed_in.user_id, signed_in.device_id, signed_in.access_token)
        self._news = asyncio.Condition()
        self._fault: Exception | None = None
        self._undecrypted: list[tuple[str, Any]] = []

    # -- what the client sees -----------------------------------------------------------------------------------------

    async def sync_forever(self) -> None:
        """Syncs until it is cancelled or the homeserver no longer lets the device in; a fault reaches whoever waits."""
        try:
            await self._sync_on()
        except Exception as fault:
            async with self._news:
                self._fault = fault
                self._news.notify_all()
            raise

    async def _sync_on(self) -> None:
        since = None
        if self._nio.should_upload_keys:
            await self._nio.keys_upload()
        if self._identity is not None:
            await self.be_signed_by(self._identity)
        while True:
            answer = await self._nio.sync(timeout=_SYNC_WAIT_MS if since else 0, since=since, full_state=since is None)
            if not isinstance(answer, nio.SyncResponse):
                if answer.status_code in {"M_UNKNOWN_TOKEN", "M_USER_LOCKED", "M_USER_DEACTIVATED"}:
                    return
                await asyncio.sleep(0.5)
                continue
            since = answer.next_batch
            if self._nio.should_upload_keys:
                await self._nio.keys_upload()
            if self._nio.should_query_keys:
                await self._nio.keys_query()
            await self._nio.send_to_device_messages()
            async with self._news:
                self._take_in(answer)
                self._news.notify_all()

    def _take_in(self, answer: nio.SyncResponse) -> None:
        waiting, self._undecrypted = self._undecrypted, []
        for room_id, event in waiting:
            self._look_at(room_id, event)
        for room_id, invitation in answer.rooms.invite.items():
            for event in invitation.invite_state:
                if event.source.get("type") == "m.room.member" and event.source["state_key"] == self.signed_in.user_id:
                    self.invitations[room_id] = event.source["sender"]
        for room_id, room in (answer.rooms.join | answer.rooms.leave).items():
            for event in room.timeline.events:
                self._look_at(room_id, event)

    def _look_at(self, room_id: str, event: Any) -> None:
        encrypted = getattr(event, "decrypted", False)
        if isinstance(event, nio.MegolmEvent):
            event.room_id = room_id
            try:
                event = self._nio.decrypt_event(event)
                encrypted = True
            except nio.exceptions.EncryptionError:
                self._undecrypted.append((room_id, event))
                return
        source = event.source
        self.seen.append(
            Seen(
                room_id=room_id,
                event_id=source["event_id"],
                sender=source["sender"],
                type=source["type"],
                content=source.get("content", {}),
                encrypted=encrypted,
                redacts=source.get("redacts"),
            )
        )

    async def wait_for(self, wanted: Callable[[Seen], bool], what: str) -> Seen:
        """The first event seen so far, or from now on, that is wanted.

        Raises:
            WaitedInVain: if it does not come in time.
        """
        return await self._wait(lambda: next((event for event in self.seen if wanted(event)), None), what)

    async def wait_for_invitation(self, inviter: str) -> str:
        """The id of a room that ``inviter`` invited the account into.

        Raises:
            WaitedInVain: if no such invitation comes in time.
        """
        return await self._wait(
            lambda: next((room for room, who in self.invitations.items() if who == inviter), None), "an invitation"
        )

    async def _wait(self, find: Callable[[], _Found | None], what: str) -> _Found:
        try:
            async with asyncio.timeout(_WAIT_S), self._news:
                while (found := find()) is None:
                    if self._fault is not None:
                        raise self._fault
                    await self._news.wait()
                return found
        except TimeoutError:
            raise WaitedInVain(f"{what} did not arrive within {_WAIT_S:.0f} s") from None

    # -- what the client does -----------------------------------------------------------------------------------------

    async def call(self, method: str, path: str, body: object | None = None) -> tuple[int, dict[str, Any]]:
        """One client-server request with the device's token; status and JSON body."""
        return await call_as(self.homeserver, self.signed_in, method, path, body)

    async def be_signed_by(self, identity: OwnIdentity) -> None:
        """Signs this device with its owner's identity, as a person does who confirms it with a recovery key."""
        await sign_device(self.homeserver, self.signed_in, identity, self.signed_in.device_id)

    async def ask_for_chat(self, user_id: str) -> tuple[int, dict[str, Any]]:
        """What ordinary clients send to start a direct, encrypted chat; status and body of the answer."""
        body = {"preset": "trusted_private_chat", "is_direct": True, "invite": [user_id], "initial_state": [ENCRYPTION]}
        return await self.call("POST", "/_matrix/client/v3/createRoom", body)

    async def join(self, room_id: str) -> None:
        """Accepts an invitation and waits until the room is in the device's own sync."""
        answer = await self._nio.join(room_id)
        if not isinstance(answer, nio.JoinResponse):
            raise WaitedInVain(f"the room could not be joined: {answer.status_code}")
        await self.wait_until_in(room_id)

    async def wait_until_in(self, room_id: str, *others: str) -> None:
        """Waits until the room is in the device's sync, and the others have joined it there."""

        def there() -> bool | None:
            room = self._nio.rooms.get(room_id)
            if room is None or not room.encrypted:
                return None
            return room.users.keys() - room.invited_users.keys() >= set(others) or None

        await self._wait(there, "a joined room")

    async def send_text(self, room_id: str, text: str, *, thread: str | None = None) -> str:
        """Sends an encrypted text, into a thread if one is named; the event id."""
        content: dict[str, Any] = {"msgtype": "m.text", "body": text}
        if thread is not None:
            content["m.relates_to"] = {"rel_type": "m.thread", "event_id": thread}
        return await self.send(room_id, content)

    async def send_file(
        self,
        room_id: str,
        data: bytes,
        name: str,
        media_type: str,
        *,
        caption: str | None = None,
        thread: str | None = None,
    ) -> str:
        """Encrypts, uploads and sends a file, with a caption and into a thread if they are named; the event id."""
        ciphertext, keys = encrypt_attachment(data)
        headers = {
            "Authorization": f"Bearer {self.signed_in.access_token}",
            "Content-Type": "application/octet-stream",
        }
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.homeserver}/_matrix/media/v3/upload", data=ciphertext, headers=headers) as answer,
        ):
            answer.raise_for_status()
            mxc = (await answer.json())["content_uri"]
        content: dict[str, Any] = {
            "msgtype": "m.image" if media_type.startswith("image/") else "m.file",
            "body": caption or name,
            "filename": name,
            "info": {"mimetype": media_type, "size": len(data)},
            "file": {**keys, "url": mxc},
        }
        if thread is not None:
            content["m.relates_to"] = {"rel_type": "m.thread", "event_id": thread}
        return await self.send(room_id, content)

    async def send(self, room_id: str, content: dict[str, Any]) -> str:
        """Encrypts and sends any content of a message; the event id."""
        answer = await self._nio.room_send(room_id, "m.room.message", content, ignore_unverified_devices=True)
        if not isinstance(answer, nio.RoomSendResponse):
            raise WaitedInVain(f"a message was refused: {answer.status_code}")
        return str(answer.event_id)

    async def fetch_file(self, event: Seen) -> bytes:
        """Downloads and decrypts the file of an event; its hash is verified."""
        description = event.content["file"]
        address = f"{self.homeserver}/_matrix/client/v1/media/download/{description['url'].removeprefix('mxc://')}"
        headers = {"Authorization": f"Bearer {self.signed_in.access_token}"}
        async with aiohttp.ClientSession() as http, http.get(address, headers=headers) as answer:
            answer.raise_for_status()
            ciphertext = await answer.read()
        data: bytes = decrypt_attachment(
            ciphertext, description["key"]["k"], description["hashes"]["sha256"], description["iv"]
        )
        return data

    async def close(self) -> None:
        """Closes the connection; the device stays signed in."""
        await self._nio.close()


@asynccontextmanager
async def run_client(
    homeserver: str, signed_in: SignedIn, store: Path, identity: OwnIdentity | None = None
) -> AsyncIterator[EncryptedClient]:
    """A client that syncs in the background for as long as the block runs; ``identity`` signs its device."""
    store.mkdir(parents=True, exist_ok=True)
    client = EncryptedClient(homeserver, signed_in, store, identity)
    syncing = asyncio.create_task(client.sync_forever())
    try:
        yield client
    finally:
        syncing.cancel()
        await asyncio.gather(syncing, return_exceptions=True)
        await client.close()
