"""The session: signs in, receives events in order, sends encrypted messages and files."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import quote

import aiohttp
import nio
from nio.crypto import ENCRYPTION_ENABLED, decrypt_attachment, encrypt_attachment
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.log import fault_without_text
from messenger_core.matrix.events import FileToSend, Invitation, ReceivedEvent, SentFile
from messenger_core.matrix.guarded_client import GuardedClient, client_config
from messenger_core.matrix.journal import Journal
from messenger_core.matrix.media_ledger import MediaLedger
from messenger_core.matrix.settings import SessionSettings
from messenger_core.service_auth.assertions import make_assertion
from messenger_core.service_auth.keys import read_private_key
from messenger_core.settings import SettingsError, read_secret

logger = logging.getLogger(__name__)

LOGIN_TYPE = "de.hek.login.private_key_jwt"
_LOGIN_PATH = "/_matrix/client/v3/login"
_SYNC_WAIT_MS = 30_000
_TIMELINE_LIMIT = 100
_SEND_TIMEOUT_S = 120
_HANDLER_ATTEMPTS = 3
_LONGEST_PAUSE_S = 30.0


class SendFailed(Exception):  # noqa: N818 - reads as what happened
    """The homeserver did not take what was sent; the text names its error code."""


class EventHandler(Protocol):
    """What a service does with what it receives."""

    async def handle(self, event: ReceivedEvent) -> None:
        """Handles one event of somebody else; called again after a failure or a kill, so it must be idempotent."""
        ...

    async def handle_invitation(self, invitation: Invitation) -> None:
        """Decides on an invitation; called again until the account joined or left the room."""
        ...


class MatrixSession:
    """The account of one service. Use it as an asynchronous context manager, then ``run`` it."""

    def __init__(self, settings: SessionSettings, engine: AsyncEngine) -> None:
        """Takes the account's settings and the service's database, which holds the session's tables.

        Raises:
            SettingsError: if nio was installed without encryption or the key cannot be read.
        """
        if not ENCRYPTION_ENABLED:
            raise SettingsError("matrix-nio is installed without encryption; install the extra matrix-nio[e2e]")
        self._settings = settings
        self._key = read_private_key(settings.key_file)
        self._journal = Journal(engine, settings.user_id)
        self._ledger = MediaLedger(engine)
        self._client: GuardedClient | None = None
        self._sending: dict[str, asyncio.Lock] = {}
        self._resources = AsyncExitStack()

    @property
    def user_id(self) -> str:
        """The account's Matrix user id."""
        return self._settings.user_id

    async def __aenter__(self) -> MatrixSession:
        """Signs in and loads the encryption keys.

        Raises:
            SettingsError: if another process uses the same store.
        """
        store = self._settings.store_directory
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._resources.callback(_lock(store).close)
        device_id = _device_id(store)
        client = GuardedClient(
            self._settings.homeserver,
            self._settings.user_id,
            device_id=device_id,
            store_path=str(store),
            config=client_config(read_secret(self._settings.store_key_file)),
        )
        self._resources.push_async_callback(client.close)
        token = await self._sign_in(device_id)
        client.restore_login(self._settings.user_id, device_id, token)
        self._client = client
        if client.should_upload_keys:
            _taken(await client.keys_upload())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    @property
    def _nio(self) -> GuardedClient:
        if self._client is None:
            raise RuntimeError("use the session as an asynchronous context manager")
        return self._client

    async def _sign_in(self, device_id: str) -> str:
        """A new access token for our device; tokens are never written to disk. Waits for a homeserver that is down."""
        address = self._settings.homeserver + _LOGIN_PATH
        pause = 1.0
        while True:
            assertion = make_assertion(
                self._key, client_id=self._settings.client_id, audience=address, now=datetime.now(UTC)
            )
            localpart = self._settings.user_id[1:].partition(":")[0]
            body = {
                "type": LOGIN_TYPE,
                "identifier": {"type": "m.id.user", "user": localpart},
                "assertion": assertion,
                "device_id": device_id,
                "initial_device_display_name": "HEK",
            }
            try:
                async with aiohttp.ClientSession() as http, http.post(address, json=body) as answer:
                    content = await answer.json(content_type=None)
                    if answer.status == 200:
                        return str(content["access_token"])
                    if answer.status not in {429, 500, 502, 503, 504}:
                        raise SettingsError(
                            f"{address} refuses to sign in {self._settings.user_id} ({content.get('errcode')}); "
                            "the homeserver's settings need the account and the public key of key_file"
                        )
            except (aiohttp.ClientError, ValueError) as fault:
                logger.warning("the homeserver cannot be reached: %s", type(fault).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    # -- receiving ----------------------------------------------------------------------------------------------------

    async def run(self, handler: EventHandler) -> None:
        """Receives until it is cancelled; an outage of the homeserver is waited out."""
        await self._retry_parked(handler)
        full_state, pause = True, 1.0
        while True:
            since = await self._journal.position()
            answer = await self._nio.sync(
                timeout=0 if full_state else _SYNC_WAIT_MS,
                since=since,
                full_state=full_state,
                sync_filter={"room": {"timeline": {"limit": _TIMELINE_LIMIT}}},
            )
            if not isinstance(answer, nio.SyncResponse):
                logger.warning("sync failed: %s", getattr(answer, "status_code", None))
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
                continue
            full_state, pause = False, 1.0
            await self._maintain_keys()
            await self._take_in(answer, since, handler)
            await self._journal.move_to(answer.next_batch)

    async def _maintain_keys(self) -> None:
        """Uploads, queries and claims keys before any handler answers, so that answers reach new devices."""
        client = self._nio
        if client.should_upload_keys:
            await client.keys_upload()
        if client.should_query_keys:
            await client.keys_query()
        if client.should_claim_keys:
            await client.keys_claim(client.get_users_for_key_claiming())
        await client.send_to_device_messages()

    async def _take_in(self, answer: nio.SyncResponse, since: str | None, handler: EventHandler) -> None:
        for room_id, waiting in await self._journal.waiting():
            event = nio.MegolmEvent.from_dict(waiting)
            event.room_id = room_id
            await self._deliver(room_id, event, handler)
        for room_id, invite in answer.rooms.invite.items():
            for event in invite.invite_state:
                source = event.source
                if source.get("type") == "m.room.member" and source.get("state_key") == self.user_id:
                    await handler.handle_invitation(Invitation(room_id, str(source.get("sender"))))
        for rooms in (answer.rooms.join, answer.rooms.leave):
            for room_id, room in rooms.items():
                if room.timeline.limited and since is not None:
                    for event in await self._missed(room_id, room.timeline.prev_batch, since):
                        await self._deliver(room_id, event, handler)
                for event in room.timeline.events:
                    await self._deliver(room_id, event, handler)

    async def _missed(self, room_id: str, start: str, end: str) -> Sequence[Any]:
        """The events between two sync tokens that a limited timeline left out, oldest first."""
        missed: list[Any] = []
        while True:
            page = await self._nio.room_messages(room_id, start, end, limit=_TIMELINE_LIMIT)
            if not isinstance(page, nio.RoomMessagesResponse):
                raise SendFailed(f"the missed events of a room cannot be fetched: {page.status_code}")
            missed.extend(page.chunk)
            if not page.chunk or not page.end:
                return missed[::-1]
            start = page.end

    async def _deliver(self, room_id: str, event: Any, handler: EventHandler) -> None:
        source = event.source
        waiting = isinstance(event, nio.MegolmEvent)
        if waiting:
            try:
                event = self._nio.decrypt_event(event)
                waiting = False
            except Exception as fault:  # noqa: BLE001 - anybody can send an event that fails to decrypt in a new way
                logger.info("an event waits for its key: %s", type(fault).__name__)
        received = ReceivedEvent.from_source(
            room_id, event.source, encrypted=waiting or getattr(event, "decrypted", False)
        )
        if received.sender == self.user_id:
            return
        if waiting:
            if await self._journal.state(received.event_id) is None:
                await self._journal.record(received.event_id, room_id, received.sent_at, "waiting_key", source)
            return
        if await self._is_done(received.event_id):
            return
        await self._hand_over(received, handler)

    async def _is_done(self, event_id: str) -> bool:
        return await self._journal.state(event_id) in {"settled", "parked"}

    async def _hand_over(self, event: ReceivedEvent, handler: EventHandler) -> None:
        for attempt in range(1, _HANDLER_ATTEMPTS + 1):
            try:
                await handler.handle(event)
            except Exception as fault:  # noqa: BLE001 - one bad event must not stop the others
                logger.error(  # noqa: TRY400 - a traceback may hold a person's data
                    "handling an event failed, attempt %d of %d: %s",
                    attempt,
                    _HANDLER_ATTEMPTS,
                    fault_without_text(fault),
                )
                await asyncio.sleep(attempt)
            else:
                await self._journal.record(event.event_id, event.room_id, event.sent_at, "settled")
                return
        await self._journal.record(event.event_id, event.room_id, event.sent_at, "parked")

    async def _retry_parked(self, handler: EventHandler) -> None:
        """Gives events whose handler failed another chance at each start, when the fault may have been mended."""
        for room_id, event_id in await self._journal.parked():
            answer = await self._nio.room_get_event(room_id, event_id)
            if not isinstance(answer, nio.RoomGetEventResponse):
                continue
            event = answer.event
            if isinstance(event, nio.MegolmEvent):
                event.room_id = room_id
                try:
                    event = self._nio.decrypt_event(event)
                except Exception as fault:  # noqa: BLE001 - as in _deliver
                    logger.warning("a parked event cannot be decrypted: %s", type(fault).__name__)
                    continue
            received = ReceivedEvent.from_source(room_id, event.source, encrypted=getattr(event, "decrypted", False))
            await self._hand_over(received, handler)

    # -- sending ------------------------------------------------------------------------------------------------------

    async def send(self, room_id: str, content: Mapping[str, Any], *, key: str) -> str:
        """Sends an encrypted ``m.room.message``.

        Args:
            room_id: a joined, encrypted room.
            content: the event's content in clear.
            key: names what is sent; the same key gives the same transaction id, so a repetition is not sent twice.

        Returns:
            The event id that the homeserver gave.

        Raises:
            SendFailed: if the room is not encrypted or the homeserver refused.
        """
        room = self._nio.rooms.get(room_id)
        if room is None or not room.encrypted:
            room = await self._sync_room(room_id)
        async with self._sending.setdefault(room_id, asyncio.Lock()):
            try:
                answer = await asyncio.wait_for(
                    self._nio.room_send(
                        room_id,
                        "m.room.message",
                        dict(content),
                        tx_id=_transaction_id(key),
                        ignore_unverified_devices=True,
                    ),
                    _SEND_TIMEOUT_S,
                )
            except (TimeoutError, nio.exceptions.ProtocolError, aiohttp.ClientError) as fault:
                raise SendFailed(f"a message was not taken: {type(fault).__name__}") from None
        return str(_taken(answer).event_id)

    async def _sync_room(self, room_id: str) -> Any:
        """Loads members and encryption of a room that we joined after the last sync, without moving the position."""
        room = nio.MatrixRoom(room_id, self.user_id)
        state = _taken(await self._nio.room_get_state(room_id))
        for source in state.events:
            room.handle_event(nio.Event.parse_event(source))
        if not room.encrypted:
            raise SendFailed("the room is not encrypted; nothing is sent in clear")
        room.members_synced = True
        self._nio.rooms[room_id] = room
        self._nio.olm.update_tracked_users(room)
        if self._nio.should_query_keys:
            await self._nio.keys_query()
        return room

    async def send_file(
        self, room_id: str, file: FileToSend, *, key: str, relation: Mapping[str, Any] | None = None
    ) -> SentFile:
        """Encrypts a file, uploads it and sends it; its address is in the media ledger before the upload begins.

        Raises:
            SendFailed: if the homeserver refused.
        """
        ciphertext, keys = encrypt_attachment(file.data)
        mxc = await self._upload(room_id, ciphertext)
        content: dict[str, Any] = {
            "msgtype": file.message_type,
            "body": file.name,
            "info": {"mimetype": file.media_type, "size": len(file.data)},
            "file": {**keys, "url": mxc},
        }
        if relation is not None:
            content["m.relates_to"] = dict(relation)
        return SentFile(await self.send(room_id, content, key=key), mxc)

    async def _upload(self, room_id: str, ciphertext: bytes) -> str:
        async with self._authorized() as http:
            async with http.post(self._settings.homeserver + "/_matrix/media/v1/create") as answer:
                if answer.status != 200:
                    raise SendFailed(f"no media address was given: {answer.status}")
                mxc = str((await answer.json())["content_uri"])
            await self._ledger.record(mxc, room_id, datetime.now(UTC))
            address = f"{self._settings.homeserver}/_matrix/media/v3/upload/{mxc.removeprefix('mxc://')}"
            headers = {"Content-Type": "application/octet-stream"}
            async with http.put(address, data=ciphertext, headers=headers) as answer:
                if answer.status != 200:
                    raise SendFailed(f"a file was not taken: {answer.status}")
        return mxc

    async def download(self, event: ReceivedEvent) -> FileToSend:
        """Fetches and decrypts the file of an event and checks its hash; its address goes into the media ledger first.

        Raises:
            SendFailed: if there is no such file, or its content does not have the hash that the event names.
        """
        description = event.content.get("file")
        if not isinstance(description, dict) or not str(description.get("url", "")).startswith("mxc://"):
            raise SendFailed("the event names no encrypted file")
        mxc = str(description["url"])
        await self._ledger.record(mxc, event.room_id, event.sent_at)
        address = f"{self._settings.homeserver}/_matrix/client/v1/media/download/{quote(mxc.removeprefix('mxc://'))}"
        async with self._authorized() as http, http.get(address) as answer:
            if answer.status != 200:
                raise SendFailed(f"a file cannot be fetched: {answer.status}")
            ciphertext = await answer.read()
        try:
            data = decrypt_attachment(
                ciphertext, description["key"]["k"], description["hashes"]["sha256"], description["iv"]
            )
        except (nio.exceptions.EncryptionError, KeyError, TypeError, ValueError) as fault:
            raise SendFailed(f"a file cannot be decrypted: {type(fault).__name__}") from None
        info = event.content.get("info")
        media_type = info.get("mimetype") if isinstance(info, dict) else None
        name = event.content.get("filename", event.content.get("body"))
        return FileToSend(data, str(name or "Datei"), str(media_type or "application/octet-stream"))

    def _authorized(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._nio.access_token}"}, timeout=aiohttp.ClientTimeout(total=300)
        )

    async def redact(self, room_id: str, event_id: str, *, key: str) -> None:
        """Deletes an event of ours.

        Raises:
            SendFailed: if the homeserver refused.
        """
        _taken(await self._nio.room_redact(room_id, event_id, tx_id=_transaction_id(key)))

    # -- rooms --------------------------------------------------------------------------------------------------------

    async def create_room(self, alias_localpart: str, *, invite: Sequence[str] = ()) -> str:
        """Makes a private encrypted room, or returns the one that an earlier, interrupted call made.

        Args:
            alias_localpart: a name of the room that no other has; it must not identify a person.
            invite: who is invited.

        Raises:
            SendFailed: if the homeserver refused.
        """
        body: dict[str, Any] = {
            "room_alias_name": alias_localpart,
            "preset": "private_chat",
            "visibility": "private",
            "invite": list(invite),
            "initial_state": [
                {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
            ],
        }
        async with self._authorized() as http:
            async with http.post(self._settings.homeserver + "/_matrix/client/v3/createRoom", json=body) as answer:
                content = await answer.json()
                if answer.status == 200:
                    return str(content["room_id"])
                if content.get("errcode") != "M_ROOM_IN_USE":
                    raise SendFailed(f"a room was not made: {answer.status} {content.get('errcode')}")
            server = self.user_id.partition(":")[2]
            alias = quote(f"#{alias_localpart}:{server}", safe="")
            async with http.get(f"{self._settings.homeserver}/_matrix/client/v3/directory/room/{alias}") as answer:
                if answer.status != 200:
                    raise SendFailed(f"a room is not found under its alias: {answer.status}")
                return str((await answer.json())["room_id"])

    async def join(self, room_id: str) -> None:
        """Joins a room that the account was invited to.

        Raises:
            SendFailed: if the homeserver refused.
        """
        _taken(await self._nio.join(room_id))

    async def leave(self, room_id: str) -> None:
        """Leaves a room or declines its invitation.

        Raises:
            SendFailed: if the homeserver refused.
        """
        _taken(await self._nio.room_leave(room_id))

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invites somebody; inviting a member again is not an error.

        Raises:
            SendFailed: if the homeserver refused.
        """
        if (await self.members(room_id)).get(user_id) in {"join", "invite"}:
            return
        _taken(await self._nio.room_invite(room_id, user_id))

    async def members(self, room_id: str) -> dict[str, str]:
        """User id to membership, from the room's present state.

        Raises:
            SendFailed: if the homeserver refused.
        """
        state = _taken(await self._nio.room_get_state(room_id))
        return {
            event["state_key"]: event["content"].get("membership", "leave")
            for event in state.events
            if event["type"] == "m.room.member"
        }

    async def state(self, room_id: str, event_type: str) -> dict[str, Any] | None:
        """The content of a state event with the empty state key, or None if there is none."""
        answer = await self._nio.room_get_state_event(room_id, event_type)
        return dict(answer.content) if isinstance(answer, nio.RoomGetStateEventResponse) else None


def _taken(answer: Any) -> Any:
    if isinstance(answer, nio.ErrorResponse):
        raise SendFailed(f"the homeserver refused: {answer.status_code}")
    return answer


def _transaction_id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _lock(store: Path) -> IO[str]:
    """Holds the store for this process alone: two processes on one store lose one-time keys."""
    file = (store / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise SettingsError(f"{store}: another process uses this store; stop it first, only one may run") from None
    return file


def _device_id(store: Path) -> str:
    """The account's device, named beside its keys, so that lost keys always lead to a new device."""
    path = store / "device_id"
    if path.exists():
        return path.read_text(encoding="utf-8").strip()
    device_id = f"HEK{secrets.token_hex(5).upper()}"
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(device_id)
    draft.replace(path)
    return device_id
