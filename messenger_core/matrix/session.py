"""The session: one service's account, put together from sign-in, receiver, sender and rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from nio.crypto import ENCRYPTION_ENABLED
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix.events import FileToSend, ReceivedEvent, SentFile
from messenger_core.matrix.faults import taken
from messenger_core.matrix.guarded_client import GuardedClient, client_config
from messenger_core.matrix.journal import Journal
from messenger_core.matrix.media_ledger import MediaLedger
from messenger_core.matrix.receiver import EventHandler, Receiver
from messenger_core.matrix.rooms import Rooms
from messenger_core.matrix.sender import Sender
from messenger_core.matrix.settings import SessionSettings
from messenger_core.matrix.sign_in import lock_store, own_device_id, sign_in
from messenger_core.settings import SettingsError, read_secret

_Part = TypeVar("_Part")


class MatrixSession:
    """The account of one service. Use it as an asynchronous context manager, then ``run`` it."""

    def __init__(self, settings: SessionSettings, engine: AsyncEngine) -> None:
        """Takes the account's settings and the service's database, which holds the session's tables.

        Raises:
            SettingsError: if nio was installed without encryption.
        """
        if not ENCRYPTION_ENABLED:
            raise SettingsError("matrix-nio is installed without encryption; install the extra matrix-nio[e2e]")
        self._settings = settings
        self._journal = Journal(engine, settings.user_id)
        self._ledger = MediaLedger(engine)
        self._resources = AsyncExitStack()
        self._receiver: Receiver | None = None
        self._sender: Sender | None = None
        self._rooms: Rooms | None = None

    @property
    def user_id(self) -> str:
        """The account's Matrix user id."""
        return self._settings.user_id

    async def __aenter__(self) -> MatrixSession:
        """Signs in and loads the encryption keys; waits for a homeserver that is down.

        Raises:
            SettingsError: if another process uses the same store, or the homeserver refuses the account.
        """
        try:
            await self._open()
        except BaseException:
            await self._resources.aclose()
            raise
        return self

    async def _open(self) -> None:
        store = self._settings.store_directory
        try:
            store.mkdir(mode=0o700, parents=True, exist_ok=True)
            store.chmod(0o700)
        except OSError as fault:
            raise SettingsError(
                f"session.store_directory: '{store}' cannot be used ({fault.strerror}); "
                "name a folder that this user may make or that is its own"
            ) from None
        self._resources.callback(lock_store(store).close)
        device_id = own_device_id(store)
        client = GuardedClient(
            self._settings.homeserver,
            self._settings.user_id,
            device_id=device_id,
            store_path=str(store),
            config=client_config(read_secret(self._settings.store_key_file)),
        )
        self._resources.push_async_callback(client.close)
        client.restore_login(self._settings.user_id, device_id, await sign_in(self._settings, device_id))
        if client.should_upload_keys:
            taken(await client.keys_upload())

        async def sign_in_again() -> None:
            client.access_token = await sign_in(self._settings, device_id)

        self._receiver = Receiver(client, self._journal, sign_in_again)
        self._sender = Sender(client, self._ledger)
        self._rooms = Rooms(client)

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    async def run(self, handler: EventHandler) -> None:
        """Receives until it is cancelled; an outage of the homeserver is waited out."""
        await _opened(self._receiver).run(handler)

    async def send(self, room_id: str, content: Mapping[str, Any], *, key: str) -> str:
        """Sends an encrypted ``m.room.message``; see ``Sender.send``."""
        return await _opened(self._sender).send(room_id, content, key=key)

    async def send_file(
        self, room_id: str, file: FileToSend, *, key: str, relation: Mapping[str, Any] | None = None
    ) -> SentFile:
        """Encrypts, uploads and sends a file; see ``Sender.send_file``."""
        return await _opened(self._sender).send_file(room_id, file, key=key, relation=relation)

    async def download(self, event: ReceivedEvent) -> FileToSend:
        """Fetches and decrypts the file of an event; see ``Sender.download``."""
        return await _opened(self._sender).download(event)

    async def redact(self, room_id: str, event_id: str, *, key: str) -> None:
        """Deletes an event of ours; see ``Sender.redact``."""
        await _opened(self._sender).redact(room_id, event_id, key=key)

    async def create_room(self, alias_localpart: str, *, invite: Sequence[str] = ()) -> str:
        """Makes a private encrypted room once; see ``Rooms.create``."""
        return await _opened(self._rooms).create(alias_localpart, invite=invite)

    async def join(self, room_id: str) -> None:
        """Joins a room that the account was invited to; see ``Rooms.join``."""
        await _opened(self._rooms).join(room_id)

    async def leave(self, room_id: str) -> None:
        """Leaves a room or declines its invitation; see ``Rooms.leave``."""
        await _opened(self._rooms).leave(room_id)

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invites somebody who is not in the room yet; see ``Rooms.invite``."""
        await _opened(self._rooms).invite(room_id, user_id)

    async def remove(self, room_id: str, user_id: str) -> None:
        """Removes a member or takes an invitation back; see ``Rooms.remove``."""
        await _opened(self._rooms).remove(room_id, user_id)

    async def members(self, room_id: str) -> dict[str, str]:
        """User id to membership; see ``Rooms.members``."""
        return await _opened(self._rooms).members(room_id)

    async def state(self, room_id: str, event_type: str) -> dict[str, Any] | None:
        """The content of a state event with the empty state key; see ``Rooms.state``."""
        return await _opened(self._rooms).state(room_id, event_type)


def _opened(part: _Part | None) -> _Part:
    if part is None:
        raise RuntimeError("use the session as an asynchronous context manager")
    return part
