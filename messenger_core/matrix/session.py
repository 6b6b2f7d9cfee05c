"""The session: one service's account, put together from sign-in, encryption, receiving and sending."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from messenger_core.background import BackgroundTasks, OnFault
from messenger_core.backoff import Backoff
from messenger_core.matrix.account_lock import account_lock, locked_file, watch
from messenger_core.matrix.acknowledgements import Acknowledgements
from messenger_core.matrix.caretaker import Caretaker
from messenger_core.matrix.catching_up import CatchingUp
from messenger_core.matrix.clock import present
from messenger_core.matrix.encryption.device import Device
from messenger_core.matrix.encryption.retirement import own_device_id
from messenger_core.matrix.events import (
    FileToSend,
    Message,
    Redaction,
    SentMessage,
    WaitingEvent,
)
from messenger_core.matrix.faults import SendFailed, StoreUnwritable
from messenger_core.matrix.fingerprints import write_fingerprints
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.media.incoming_file import IncomingFile
from messenger_core.matrix.media.transfer import MediaTransfer
from messenger_core.matrix.receiving.following import Following, OwnEventsNotice
from messenger_core.matrix.receiving.gaps import Gaps
from messenger_core.matrix.receiving.handler import EventHandler
from messenger_core.matrix.receiving.reader import Reader
from messenger_core.matrix.receiving.receiver import Receiver
from messenger_core.matrix.receiving.room_workers import RoomWorkers, WorkedOn
from messenger_core.matrix.retries import Retries
from messenger_core.matrix.rooms import Room, Rooms
from messenger_core.matrix.sending.lanes import Lanes, SentWith
from messenger_core.matrix.settings import SessionSettings
from messenger_core.matrix.sign_in import key_proof, sign_in
from messenger_core.matrix.store.figures import SessionFigures, session_figures
from messenger_core.matrix.store.intake import Intake
from messenger_core.matrix.store.journal import Journal
from messenger_core.matrix.store.media_ledger import MediaLedger
from messenger_core.matrix.store.outbox import Outbox, SendingState
from messenger_core.settings import SettingsError, read_secret

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What an open session consists of."""

    calls: HomeserverCalls
    device: Device
    intake: Intake
    gaps: Gaps
    notice: OwnEventsNotice
    catching_up: CatchingUp
    lanes: Lanes
    media: MediaTransfer
    rooms: Rooms


class MatrixSession:
    """The account of one service. Use it as an asynchronous context manager, then ``run`` it."""

    def __init__(self, settings: SessionSettings, engine: AsyncEngine) -> None:
        """Takes the account's settings and the service's database, which holds the session's tables."""
        self._settings = settings
        self._engine = engine
        self._journal = Journal(engine, settings.user_id)
        self._outbox = Outbox(engine, settings.user_id)
        self._ledger = MediaLedger(engine)
        self._resources = AsyncExitStack()
        self._lock: AsyncConnection | None = None
        self._parts: _Parts | None = None

    @property
    def user_id(self) -> str:
        """The account's Matrix user id."""
        return self._settings.user_id

    async def __aenter__(self) -> MatrixSession:
        """Signs in and loads the encryption keys; waits for a homeserver that is down.

        Raises:
            SettingsError: if another process runs the account, or the homeserver refuses it.
        """
        try:
            await self._open()
        except BaseException:
            await self._resources.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()
        self._parts = None

    async def _open(self) -> None:
        settings = self._settings
        store = _private_folder(settings.store_directory)
        self._lock = await self._resources.enter_async_context(account_lock(self._engine, self.user_id))
        self._resources.enter_context(locked_file(store / "lock"))
        device_id = own_device_id(store)
        calls = HomeserverCalls(
            settings.homeserver,
            self.user_id,
            device_id,
            lambda device_id: sign_in(settings, device_id),
            lambda: key_proof(settings),
        )
        self._resources.push_async_callback(calls.close)
        await calls.connect()
        device = await _opened_device(calls, self._engine, store, read_secret(settings.store_key_file))
        self._resources.push_async_callback(device.close)
        write_fingerprints(store, device.fingerprints)
        acknowledgements, catching_up = Acknowledgements(), CatchingUp()
        notice = OwnEventsNotice(device, acknowledgements)
        intake = Intake(self._engine, self.user_id, self._outbox)
        gaps = Gaps(calls, intake, present, notice)
        lanes = Lanes(
            SentWith(
                calls=calls,
                outbox=self._outbox,
                device=device,
                catching_up=catching_up,
                acknowledgements=acknowledgements,
                gaps=gaps,
                clock=present,
            )
        )
        media = MediaTransfer(calls, self._ledger, store / "spool", settings.largest_file_bytes)
        self._parts = _Parts(
            calls=calls,
            device=device,
            intake=intake,
            gaps=gaps,
            notice=notice,
            catching_up=catching_up,
            lanes=lanes,
            media=media,
            rooms=Rooms(calls),
        )

    @property
    def fingerprints(self) -> dict[str, str]:
        """What a person compares with what her client shows of this account: device, its key, the master key."""
        return self._opened.device.fingerprints

    @property
    def _opened(self) -> _Parts:
        if self._parts is None:
            raise RuntimeError("use the session as an asynchronous context manager")
        return self._parts

    async def run(self, handler: EventHandler, tasks: BackgroundTasks | None = None) -> None:
        """Receives and sends until it is cancelled; an outage of the homeserver is waited out.

        Args:
            handler: what the service does with what comes.
            tasks: runs the session's tasks, which go on until it is closed; of the session's own if left out.

        Raises:
            SettingsError: if somebody uses a copy of the device, or the database let go of the account, so that
                another process may run it.
            BackgroundTaskFailed: if a task failed without which the process must not go on.
        """
        async with AsyncExitStack() as until_stopped:
            if tasks is None:
                tasks = await until_stopped.enter_async_context(BackgroundTasks())
            refused: asyncio.Future[SettingsError] = asyncio.get_running_loop().create_future()
            for name, work in self._work(handler).items():
                tasks.start(name, partial(_or_refused, work, refused))
            if self._lock is not None:
                # Without the lock another process may run the account, and two lose keys.
                watching = partial(_or_refused, partial(watch, self._lock), refused)
                tasks.start("session: holding the account", watching, on_fault=OnFault.END_PROCESS)
            ended = asyncio.ensure_future(tasks.ended.wait())
            until_stopped.callback(ended.cancel)
            either: set[asyncio.Future[Any]] = {refused, ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if refused.done():
                raise refused.result()
            tasks.raise_fault()

    def _work(self, handler: EventHandler) -> dict[str, Callable[[], Awaitable[None]]]:
        """The session's tasks by their names; all that they do is in the database, so each may be begun again."""
        parts = self._opened
        worked_on = WorkedOn(
            journal=self._journal,
            outbox=self._outbox,
            gaps=parts.gaps,
            device=parts.device,
            reader=Reader(self._journal, parts.device, self._ledger),
            clock=present,
        )
        workers = RoomWorkers(worked_on, handler, parts.lanes.wake)
        caretaker = Caretaker(
            parts.device, self._journal, self._outbox, clock=present, wake=workers.wake, catching_up=parts.catching_up
        )
        receiver = Receiver(
            parts.calls,
            parts.intake,
            following=Following(parts.device, self._journal, workers, caretaker),
            notice=parts.notice,
            catching_up=parts.catching_up,
            clock=present,
        )
        return {
            "session: receiving": receiver.run,
            "session: handing events over": workers.run,
            "session: sending": parts.lanes.run,
            "session: looking after keys": caretaker.run,
        }

    async def send(self, room_id: str, content: Mapping[str, Any], *, key: str) -> SentMessage:
        """Sends an encrypted ``m.room.message`` and waits until the homeserver named its event.

        Args:
            room_id: a joined, encrypted room.
            content: the event's content in clear; frozen when it is first given.
            key: names what is sent: the same key is sent once, also after a kill.

        Raises:
            SendFailed: if the homeserver refused, or the room is not encrypted.
        """
        return await self._opened.lanes.send(Message(room_id, content), key=key)

    async def send_file(
        self,
        room_id: str,
        file: FileToSend | IncomingFile | Path,
        *,
        key: str,
        relation: Mapping[str, Any] | None = None,
    ) -> SentMessage:
        """Encrypts and uploads a file piece by piece and sends it; its address is in the ledger before the upload.

        Raises:
            SendFailed: if the homeserver refused.
        """
        known = await self._outbox.by_key(key)
        if known is not None and known.state is not SendingState.REFUSED:
            # It was uploaded before a kill; what is queued stays as it is.
            return await self._opened.lanes.outcome(known.id)
        content = await self._opened.media.upload(room_id, file, present())
        if relation is not None:
            content["m.relates_to"] = dict(relation)
        return await self.send(room_id, content, key=key)

    @asynccontextmanager
    async def fetch(self, room_id: str, content: Mapping[str, Any], sent_at: datetime) -> AsyncIterator[IncomingFile]:
        """Fetches the file of a message, checks it, and gives it piece by piece; see ``MediaTransfer.fetch``.

        Raises:
            FileUnreadable: if there is no such file, or it is not what its event says.
            SendFailed: if the homeserver could not be asked.
        """
        async with self._opened.media.fetch(room_id, content, sent_at) as file:
            yield file

    async def redact(self, room_id: str, event_id: str, *, key: str) -> None:
        """Deletes an event of ours.

        Raises:
            SendFailed: if the homeserver refused.
        """
        await self._opened.lanes.send(Redaction(room_id, event_id), key=key)

    async def room(self, room_id: str) -> Room:
        """A room's present state; see ``Rooms.room``."""
        return await self._opened.rooms.room(room_id)

    async def create_room(self, alias_localpart: str, *, invite: Sequence[str] = ()) -> str:
        """Makes a private encrypted room once; see ``Rooms.create``."""
        return await self._opened.rooms.create(alias_localpart, invite=invite)

    async def join(self, room_id: str) -> None:
        """Joins a room that the account was invited to; see ``Rooms.join``."""
        await self._opened.rooms.join(room_id)

    async def leave(self, room_id: str) -> None:
        """Leaves a room or declines its invitation; see ``Rooms.leave``."""
        await self._opened.rooms.leave(room_id)

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invites somebody who is not in the room yet; see ``Rooms.invite``."""
        await self._opened.rooms.invite(room_id, user_id)

    async def remove(self, room_id: str, user_id: str) -> None:
        """Removes a member or takes an invitation back; see ``Rooms.remove``."""
        await self._opened.rooms.remove(room_id, user_id)

    async def waiting(self, room_id: str | None = None) -> list[WaitingEvent]:
        """The events whose room key has not come yet, oldest first; of one room, or of all."""
        return await self._journal.waiting(room_id)

    async def figures(self) -> SessionFigures:
        """How the session is doing, without content."""
        return await session_figures(self._engine, self.user_id, present())


async def _or_refused(work: Callable[[], Awaitable[None]], refused: asyncio.Future[SettingsError]) -> None:
    """Works; what only an operator can mend ends the whole session with its sentence, and is not tried again."""
    try:
        await work()
    except SettingsError as fault:
        if not refused.done():
            refused.set_result(fault)


async def _opened_device(calls: HomeserverCalls, engine: AsyncEngine, store: Path, store_key: str) -> Device:
    """The account's device; a homeserver that is away, or a full disk, is waited out."""
    retries = Retries(Backoff(first_s=1.0, most_s=30.0))
    while True:
        try:
            return await Device.open(calls, engine, store, store_key)
        except (SendFailed, StoreUnwritable) as fault:
            if isinstance(fault, SendFailed) and not fault.outage:
                raise
            logger.warning("the account's device is not ready: %s", fault)
        await retries.wait()


def _private_folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as fault:
        raise SettingsError(
            f"session.store_directory: '{folder}' cannot be used ({fault.strerror}); "
            "name a folder that this user may make or that is its own"
        ) from None
    return folder
