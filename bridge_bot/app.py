"""Wiring: reads the settings' parts, puts stores and adapters together and keeps them running until stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from bridge_bot.adapters.homeserver import HomeserverClient
from bridge_bot.adapters.http_api import RetentionApi
from bridge_bot.adapters.inbound import Inbound
from bridge_bot.report_formats import FORMATS
from bridge_bot.settings import BotSettings
from bridge_bot.store.change_position import ChangePosition
from bridge_bot.store.conversations import Conversations
from bridge_bot.store.erasure import Erasure
from bridge_bot.store.outbox import Outbox
from bridge_bot.store.promise_report import PromiseReport
from bridge_bot.store.support_rooms import SupportRooms
from bridge_bot.store.tables import USED_STATEMENT
from bridge_bot.store.team_rooms import TeamRooms
from bridge_bot.store.tickets import Tickets
from bridge_bot.use_cases.account_effects import AccountEffects
from bridge_bot.use_cases.agent_rights import AgentRights
from bridge_bot.use_cases.agent_side import AgentSide
from bridge_bot.use_cases.courier import Courier
from bridge_bot.use_cases.deliveries import Deliveries
from bridge_bot.use_cases.doorkeeper import Doorkeeper
from bridge_bot.use_cases.homeserver import Homeserver
from bridge_bot.use_cases.matrix_account import MatrixAccount
from bridge_bot.use_cases.person_side import PersonSide
from bridge_bot.use_cases.phrases import Phrases
from bridge_bot.use_cases.team_room_keeper import TeamRoomKeeper
from messenger_core.account_changes import AccountFollower
from messenger_core.background import BackgroundTasks
from messenger_core.catalogue import Catalogue
from messenger_core.clock import Clock, present
from messenger_core.database import UsedStatements, answers, open_database
from messenger_core.homeserver_interface import HOMESERVER_TOKEN_PATH
from messenger_core.http_service import TOKEN_PATH, GuardedRoutes, new_application, serve_until_stopped
from messenger_core.matrix import MatrixSession, MediaLedger
from messenger_core.matrix.metrics import add_metrics
from messenger_core.service_auth.client import ServiceClient
from messenger_core.service_auth.keys import read_jwks, read_private_key
from messenger_core.service_auth.token_grant import Client, TokenAuthority
from messenger_core.settings import ListenAddress, SettingsError
from messenger_core.waking import woken

logger = logging.getLogger(__name__)

PACKAGE = "bridge_bot"
_HOUSEKEEPING_EVERY_S = 10.0


class KnownClients:
    """The machines that the settings name."""

    def __init__(self, settings: BotSettings) -> None:
        self._clients = {
            client.client_id: Client(client.client_id, read_jwks(client.jwks_file), frozenset(client.scopes))
            for client in settings.clients
        }

    async def find_client(self, client_id: str) -> Client | None:
        """The client, or None if it is unknown."""
        return self._clients.get(client_id)


def http_application(
    settings: BotSettings, engine: AsyncEngine, tasks: BackgroundTasks | None = None
) -> web.Application:
    """The HTTP interface; ``/health`` answers 503 while one of ``tasks`` is down.

    Raises:
        SettingsError: if a key file does not hold a key.
    """
    app = new_application(lambda: answers(engine), tasks)
    authority = TokenAuthority(
        issuer=settings.public_url,
        token_endpoint=settings.public_url + TOKEN_PATH,
        key=read_private_key(settings.signing_key_file),
    )
    routes = GuardedRoutes(app, authority, KnownClients(settings), UsedStatements(engine, USED_STATEMENT))
    erasure = Erasure(engine, MediaLedger(engine))
    RetentionApi(erasure, minimum_age_years=settings.erasure_minimum_age_years, clock=present).add_to(routes)
    add_metrics(app, engine)
    return app


class Messenger:
    """The messenger over one Matrix account: what it hears, what it sends, what it looks after."""

    def __init__(
        self, settings: BotSettings, engine: AsyncEngine, account: MatrixAccount, homeserver: Homeserver, clock: Clock
    ) -> None:
        topics = settings.rule_topics()
        agents = {team.name: frozenset(team.agents) for team in settings.teams}
        rights = AgentRights(agents, homeserver)
        desk = asyncio.Lock()
        ledger = MediaLedger(engine)
        conversations, tickets = Conversations(engine), Tickets(engine)
        support_rooms, team_rooms = SupportRooms(engine), TeamRooms(engine)
        outbox = Outbox(engine, account.user_id)
        self._invitations = asyncio.Event()
        self._doorkeeper = Doorkeeper(account=account, homeserver=homeserver, rooms=support_rooms, clock=clock)
        self._team_rooms = TeamRoomKeeper(
            agents=agents, account=account, homeserver=homeserver, rights=rights, rooms=team_rooms, clock=clock
        )
        self.courier = Courier(
            outbox,
            Deliveries(
                account=account,
                homeserver=homeserver,
                rights=rights,
                outbox=outbox,
                tickets=tickets,
                conversations=conversations,
                support_rooms=support_rooms,
                team_rooms=team_rooms,
                phrases=Phrases(Catalogue.of(PACKAGE), topics),
                clock=clock,
            ),
        )
        effects = AccountEffects(
            tickets=tickets, team_rooms=self._team_rooms, desk=desk, wake=self.courier.wake, clock=clock
        )
        self.changes = AccountFollower(homeserver, ChangePosition(engine), effects.apply)
        self.inbound = Inbound(
            persons=PersonSide(
                topics=topics,
                conversations=conversations,
                rooms=support_rooms,
                ledger=ledger,
                own_user_id=account.user_id,
                clock=clock,
            ),
            agents=AgentSide(
                rights=rights,
                require_signed_devices=settings.require_signed_devices,
                tickets=tickets,
                ledger=ledger,
                clock=clock,
            ),
            support_rooms=support_rooms,
            team_rooms=team_rooms,
            desk=desk,
            wake=self._wake,
            clock=clock,
        )

    @property
    def work(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """The tasks that run beside the session, by their names; each may be begun again after a fault."""
        return {
            "messenger: sending what is queued": self.courier.run,
            "messenger: following accounts": self.changes.run,
            "messenger: keeping rooms": self.keep_house,
        }

    def _wake(self) -> None:
        self._invitations.set()
        self.courier.wake()

    async def keep_house(self) -> None:
        """Decides on invitations when they come, and looks after the team rooms, until it is cancelled."""
        while True:
            self._invitations.clear()
            await self.keep_house_once()
            await woken(self._invitations, _HOUSEKEEPING_EVERY_S)

    async def keep_house_once(self) -> None:
        """Decides on what waits, and makes the team rooms that are missing."""
        await self._team_rooms.keep()
        await self._doorkeeper.decide_all()
        self.courier.wake()


async def serve(app: web.Application, listen: ListenAddress) -> None:
    """Serves until stopped.

    Raises:
        SettingsError: if the address cannot be used.
    """
    try:
        await serve_until_stopped(app, listen)
    except OSError as fault:
        raise SettingsError(
            f"listen: {listen.host} port {listen.port} cannot be used ({fault.strerror}); "
            "allowed is a free port of this machine"
        ) from None


async def run(settings: BotSettings) -> None:
    """Runs until SIGTERM or SIGINT.

    Raises:
        SettingsError: if the settings, the database, the address or the homeserver do not allow it.
    """
    engine = await open_database(settings.database, PACKAGE)
    machine = settings.homeserver_machine
    client = ServiceClient(
        client_id=machine.client_id,
        key=read_private_key(machine.key_file),
        base_url=machine.url,
        token_endpoint=machine.url + HOMESERVER_TOKEN_PATH,
    )
    try:
        async with client, MatrixSession(settings.session, engine) as session, BackgroundTasks() as tasks:
            messenger = Messenger(settings, engine, session, HomeserverClient(client), present)
            for name, work in messenger.work.items():
                tasks.start(name, work)
            app = http_application(settings, engine, tasks)
            await _until_one_ends(serve(app, settings.listen), session.run(messenger.inbound, tasks))
    finally:
        await engine.dispose()


async def _until_one_ends(*parts: Coroutine[Any, Any, None]) -> None:
    """Runs both until the first ends or fails, and says how it did."""
    running = [asyncio.ensure_future(part) for part in parts]
    try:
        ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def report(settings: BotSettings, as_of: datetime, report_format: str, write: Callable[[str], object]) -> None:
    """Writes the report on the 24-hour promise, from the database alone."""
    engine = await open_database(settings.database, PACKAGE)
    try:
        write(FORMATS[report_format](await PromiseReport(engine).rows(as_of), as_of))
    finally:
        await engine.dispose()
