"""The messenger over a recorded Matrix account and a homeserver of the tests: the boundary alone is played."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from bridge_bot.app import Messenger
from bridge_bot.settings import BotSettings
from bridge_bot.store.outbox import Outbox
from bridge_bot.use_cases.homeserver import Account
from messenger_core.account_changes import AccountChange, AccountEvent
from messenger_core.account_kinds import AccountKind
from messenger_core.matrix import (
    DeviceTrust,
    FileUnreadable,
    IncomingFile,
    Invitation,
    ReceivedEvent,
    Room,
    SendFailed,
    SentMessage,
)
from messenger_core.matrix.media.attachment_cipher import FileKey
from messenger_core.matrix.media.file_content import FileDetails
from messenger_core.matrix.media.spool import SpooledFile
from messenger_core.service_auth.client import CallFailed
from messenger_core.service_auth.keys import generate_private_key, write_private_key

BOT = "@hek:hek.localhost"
ERIKA = "@erika:hek.localhost"
MAX = "@max:hek.localhost"
BERG = "@agent.berg:hek.localhost"
TAL = "@agent.tal:hek.localhost"
START = datetime(2026, 11, 23, 19, 15, tzinfo=UTC)
HERS = "!erika:hek.localhost"
FIT_POWER = {"users": {BOT: 100, ERIKA: 100}}


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Sending:
    """What the homeserver took; ``file`` and ``thumbnail`` in clear."""

    room_id: str
    event_id: str
    content: Mapping[str, Any]
    file: bytes | None = None
    thumbnail: bytes | None = None

    @property
    def body(self) -> str:
        return str(self.content["body"])

    @property
    def thread(self) -> str | None:
        relation = self.content.get("m.relates_to", {})
        return str(relation["event_id"]) if relation else None


class RecordedAccount:
    """A Matrix account as the contract of the session describes it: one event a key, whatever is sent again."""

    user_id = BOT

    def __init__(self) -> None:
        self.taken: list[Sending] = []
        self.by_key: dict[tuple[str, str], str] = {}
        self.redacted: list[tuple[str, str]] = []
        self.rooms: dict[str, dict[str, str]] = {}
        self.states: dict[tuple[str, str], dict[str, Any]] = {}
        self.aliases: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.joined: list[str] = []
        self.left: list[str] = []
        self.refusing: set[str] = set()
        self.too_large: set[str] = set()
        self.media_down = False
        self.unreached = 0
        self.kill_after_send = False

    def _take(self, room_id: str, content: Mapping[str, Any], key: str, *files: bytes | None) -> SentMessage:
        if room_id in self.refusing:
            raise SendFailed("the homeserver refused")
        if content["body"] in self.too_large:
            raise SendFailed("the homeserver refused", "M_TOO_LARGE")
        if (room_id, key) not in self.by_key:
            event_id = f"$sent{len(self.taken)}"
            self.by_key[room_id, key] = event_id
            self.taken.append(Sending(room_id, event_id, content, *files))
            if self.kill_after_send:
                raise Killed
        return SentMessage(self.by_key[room_id, key], self.unreached)

    async def send(self, room_id: str, content: Mapping[str, Any], *, key: str) -> SentMessage:
        return self._take(room_id, content, key)

    async def send_file(
        self, room_id: str, file: IncomingFile, *, key: str, relation: Mapping[str, Any] | None = None
    ) -> SentMessage:
        content = {
            "msgtype": file.message_type,
            "body": file.name,
            "filename": file.name,
            "info": file.info,
            **({"m.relates_to": dict(relation)} if relation else {}),
        }
        return self._take(
            room_id, content, key, await file.read(), await file.thumbnail.read() if file.thumbnail else None
        )

    @asynccontextmanager
    async def fetch(self, room_id: str, content: Mapping[str, Any], sent_at: datetime) -> AsyncIterator[IncomingFile]:
        if self.media_down:
            raise SendFailed("the homeserver refused a file", status=502)
        if content["file"]["url"] not in self.files:
            raise FileUnreadable("missing")
        thumbnail = content.get("info", {}).get("thumbnail_file")
        async with AsyncExitStack() as spooled:
            small = await self._spooled(thumbnail, FileDetails.of_thumbnail(content), spooled) if thumbnail else None
            file = await self._spooled(content["file"], FileDetails.from_content(content), spooled)
            yield replace(file, thumbnail=small)

    async def _spooled(
        self, described: Mapping[str, Any], details: FileDetails, spooled: AsyncExitStack
    ) -> IncomingFile:
        key, file = FileKey.fresh(), SpooledFile(spooled.enter_context(TemporaryFile()))  # noqa: SIM115 - it is entered
        await file.write(key.keystream().update(self.files[described["url"]]))
        return IncomingFile(details, None, file, key)

    async def redact(self, room_id: str, event_id: str, *, key: str) -> None:
        self.redacted.append((room_id, event_id))

    async def create_room(self, alias_localpart: str, *, invite: Sequence[str] = ()) -> str:
        room_id = self.aliases.setdefault(alias_localpart, f"!{alias_localpart}:hek.localhost")
        self.rooms.setdefault(room_id, {BOT: "join", **dict.fromkeys(invite, "invite")})
        return room_id

    async def join(self, room_id: str) -> None:
        self.joined.append(room_id)
        self.rooms[room_id][BOT] = "join"

    async def leave(self, room_id: str) -> None:
        self.left.append(room_id)
        self.rooms[room_id][BOT] = "leave"

    async def invite(self, room_id: str, user_id: str) -> None:
        self.rooms[room_id].setdefault(user_id, "invite")

    async def remove(self, room_id: str, user_id: str) -> None:
        self.rooms[room_id][user_id] = "leave"

    async def room(self, room_id: str) -> Room:
        state: dict[tuple[str, str], Mapping[str, Any]] = {
            ("m.room.member", user_id): {"membership": membership}
            for user_id, membership in self.rooms[room_id].items()
        }
        for (in_room, event_type), content in self.states.items():
            if in_room == room_id:
                state[event_type, ""] = content
        return Room(room_id, state, BOT)


class PlayedHomeserver:
    """The homeserver's machine interface with accounts of the tests."""

    def __init__(self) -> None:
        self.accounts = {
            ERIKA: Account(AccountKind.INSURED, "Erika Mustermann", locked=False),
            MAX: Account(AccountKind.INSURED, "Max Mustermann", locked=False),
            BERG: Account(AccountKind.AGENT, "Berg", locked=False),
        }
        self.stream: list[AccountChange] = []
        self.down = False

    def happens(self, user_id: str, kind: AccountKind, what: AccountEvent) -> None:
        """One more change of an account."""
        version = len(self.stream) + 1
        self.stream.append(AccountChange(version=version, at=version, user_id=user_id, kind=kind, what=what))

    async def account(self, user_id: str) -> Account | None:
        if self.down:
            raise CallFailed("insured/lookup")
        return self.accounts.get(user_id)

    async def changes(self, since: int, wait_s: int) -> tuple[list[AccountChange], int]:
        return self.stream[since:], len(self.stream)


@dataclass
class Scene:
    """The messenger and all that is around it."""

    engine: AsyncEngine
    settings: BotSettings
    account: RecordedAccount = field(default_factory=RecordedAccount)
    homeserver: PlayedHomeserver = field(default_factory=PlayedHomeserver)
    now: datetime = START

    def __post_init__(self) -> None:
        self._events = 0
        self.start()

    def start(self) -> None:
        """Starts the messenger; again after a kill, on the same database."""
        self.messenger = Messenger(self.settings, self.engine, self.account, self.homeserver, lambda: self.now)
        self._outbox = Outbox(self.engine, BOT)

    async def settle(self) -> None:
        """Lets the messenger do all that it can do now."""
        await self.messenger.keep_house_once()
        await self.messenger.changes.follow_once(0)
        progress = True
        while progress:
            progress = False
            for lane in await self._outbox.lanes():
                while await self.messenger.courier.send_first(lane):
                    progress = True

    async def receive(
        self,
        room_id: str,
        sender: str,
        content: Mapping[str, Any],
        *,
        event_type: str = "m.room.message",
        thread: str | None = None,
        encrypted: bool = True,
        state_key: str | None = None,
        redacts: str | None = None,
        sent_at: datetime | None = None,
        event_id: str | None = None,
        trust: DeviceTrust = DeviceTrust.CROSS_SIGNED,
    ) -> str:
        """Hands an event to the messenger without letting it send anything yet."""
        self._events += 1
        event = ReceivedEvent(
            room_id=room_id,
            event_id=event_id or f"$event{self._events}",
            sender=sender,
            type=event_type,
            content=content,
            sent_at=sent_at or self.now,
            encrypted=encrypted,
            state_key=state_key,
            redacts=redacts,
            thread_root=thread,
            sender_trust=trust,
        )
        await self.messenger.inbound.handle(event)
        return event.event_id

    async def text(self, sender: str, body: str, *, room: str = HERS, thread: str | None = None) -> str:
        """A text message, and all that follows."""
        event_id = await self.receive(room, sender, {"msgtype": "m.text", "body": body}, thread=thread)
        await self.settle()
        return event_id

    async def file(self, sender: str, name: str, *, room: str = HERS, thread: str | None = None, body: str = "") -> str:
        """A file, with a caption if ``body`` is given, and all that follows."""
        url = f"mxc://hek.localhost/{Path(name).stem}"
        self.account.files[url] = f"content of {name}".encode()
        content = {
            "msgtype": "m.file",
            "body": body or name,
            "filename": name,
            "file": {"url": url},
            "info": {"mimetype": "application/pdf"},
        }
        event_id = await self.receive(room, sender, content, thread=thread)
        await self.settle()
        return event_id

    def fit_room(self, room_id: str = HERS, person: str = ERIKA) -> None:
        """A room as the insured person's client makes it."""
        self.account.rooms[room_id] = {person: "join", BOT: "invite"}
        self.account.states[room_id, "m.room.encryption"] = {"algorithm": "m.megolm.v1.aes-sha2"}
        self.account.states[room_id, "m.room.power_levels"] = {"users": {BOT: 100, person: 100}}

    async def invited(self, room_id: str = HERS, person: str = ERIKA) -> None:
        """An invitation of the support account, and all that follows."""
        await self.messenger.inbound.handle_invitation(Invitation(room_id, person))
        await self.settle()

    async def ticket(self, question: str = "Wann kommt mein Krankengeld?") -> str:
        """Erika opened a ticket; returns the root of its thread."""
        self.fit_room()
        await self.invited()
        await self.text(ERIKA, "1")
        await self.text(ERIKA, question)
        return next(sending.event_id for sending in self.account.taken if sending.body.startswith("Ticket "))

    def said_in(self, room_id: str) -> list[str]:
        """What the account wrote in a room, in order."""
        return [sending.body for sending in self.account.taken if sending.room_id == room_id]

    @property
    def team_room(self) -> str:
        return "!team-leistungen-2026q4:hek.localhost"

    def pass_time(self, **span: float) -> None:
        """Moves the clock."""
        self.now += timedelta(**span)


def settings_in(folder: Path) -> dict[str, Any]:
    """Settings values with keys in a folder."""
    keys = folder / "keys"
    keys.mkdir(exist_ok=True)
    for name in ("signing", "account", "machine"):
        if not (keys / name).exists():
            write_private_key(generate_private_key(), keys / name)
    (keys / "store").write_text("not read by these tests", encoding="utf-8")
    return {
        "listen": {"port": 8471},
        "public_url": "http://127.0.0.1:8471",
        "database": f"sqlite:///{folder}/bot.db",
        "signing_key_file": str(keys / "signing"),
        "session": {
            "homeserver": "http://127.0.0.1:1",
            "user_id": BOT,
            "client_id": "bot",
            "key_file": str(keys / "account"),
            "store_directory": str(folder / "session"),
            "store_key_file": str(keys / "store"),
        },
        "homeserver_machine": {"url": "http://127.0.0.1:1", "key_file": str(keys / "machine")},
        "teams": [
            {"name": "leistungen", "agents": [BERG]},
            {"name": "mitgliedschaft", "agents": [BERG, TAL]},
        ],
        "topics": [
            {"key": "krankengeld", "team": "leistungen", "title_de": "Krankengeld", "title_en": "Sick pay"},
            {"key": "familie", "team": "mitgliedschaft", "title_de": "Familienversicherung", "title_en": "Family"},
        ],
    }
