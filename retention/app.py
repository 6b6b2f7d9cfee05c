"""Wiring: the daemon with the service account's session, the jobs, and the check of the proof."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.account_changes import AccountFollower
from messenger_core.background import BackgroundTasks
from messenger_core.catalogue import Catalogue
from messenger_core.clock import Clock, present
from messenger_core.database import answers, open_database
from messenger_core.homeserver_interface import HOMESERVER_TOKEN_PATH
from messenger_core.http_service import TOKEN_PATH, new_application, serve_until_stopped
from messenger_core.log import fault_without_text
from messenger_core.matrix import MatrixSession
from messenger_core.matrix.metrics import add_metrics
from messenger_core.service_auth.client import CallFailed, ServiceClient
from messenger_core.service_auth.keys import read_private_key
from messenger_core.settings import ListenAddress, SettingsError
from retention.adapters.bot import BotClient
from retention.adapters.homeserver import HomeserverClient
from retention.rules.moments import erase_before, next_night
from retention.rules.proof import Verdict, check_chain
from retention.settings import ComponentSettings, RetentionSettings
from retention.store.chat_notices import ChatNotices
from retention.store.erasures import Erasures
from retention.store.membership_ends import MembershipEnds
from retention.store.offers import Offers
from retention.store.period_wishes import PeriodWishes
from retention.store.service_rooms import ServiceRooms
from retention.use_cases.account_effects import AccountEffects
from retention.use_cases.chat_notices import ChatNoticesWork
from retention.use_cases.conversation import Conversation
from retention.use_cases.desk import Desk
from retention.use_cases.erasures_job import Allowance, DueErasure
from retention.use_cases.membership_notices import MembershipNotices
from retention.use_cases.notice_work import NoticeWork
from retention.use_cases.offers_job import Progress, make_offers
from retention.use_cases.wording import Wording

logger = logging.getLogger(__name__)

Job = Literal["offers", "erasures"]
BOTH_JOBS: tuple[Job, ...] = ("offers", "erasures")
_AGAIN_AFTER_S = 30 * 60
_LONGEST_SLEEP_S = 60.0


@asynccontextmanager
async def _database(settings: RetentionSettings) -> AsyncIterator[AsyncEngine]:
    engine = await open_database(settings.database, "retention")
    try:
        yield engine
    finally:
        await engine.dispose()


def _client(settings: ComponentSettings, token_path: str) -> ServiceClient:
    return ServiceClient(
        client_id=settings.client_id,
        key=read_private_key(settings.key_file),
        base_url=settings.url,
        token_endpoint=settings.url + token_path,
    )


def _homeserver_client(settings: RetentionSettings) -> ServiceClient:
    return _client(settings.homeserver_machine, HOMESERVER_TOKEN_PATH)


async def run_jobs(
    settings: RetentionSettings,
    as_of: datetime,
    jobs: tuple[Job, ...],
    progress: Progress,
    *,
    dry_run: bool = False,
    accept_count: int = 0,
) -> dict[str, Any]:
    """Does what is due at ``as_of``.

    Args:
        settings: of the component.
        as_of: the moment to look from.
        jobs: which.
        progress: takes a line at each step.
        dry_run: whether nothing is done, and only counted.
        accept_count: so many messages and files may be erased even if that is unusual.

    Returns:
        The summary; ``done`` says whether everything due was done, a job that failed has ``failed`` with the reason.
    """
    summary: dict[str, Any] = {"as_of": as_of.astimezone(UTC).isoformat()} | ({"dry_run": True} if dry_run else {})
    allowance = Allowance(settings.usual_erasure.rule(), accept_count)
    done = True
    async with (
        _database(settings) as engine,
        _homeserver_client(settings) as homeserver_client,
        _client(settings.bot, TOKEN_PATH) as bot_client,
    ):
        homeserver = HomeserverClient(homeserver_client)
        for job in jobs:
            try:
                if job == "offers":
                    offers = Offers(engine)
                    write = offers.would_make if dry_run else offers.make
                    summary[job] = asdict(await make_offers(homeserver, write, as_of, progress, now=present()))
                else:
                    due = DueErasure(homeserver, BotClient(bot_client), Erasures(engine), progress, present)
                    before = erase_before(as_of, settings.support_years)
                    if dry_run:
                        erased = await due.look(before, allowance, as_of=as_of)
                    else:
                        erased = await due.erase(before, allowance, as_of=as_of)
                    summary[job] = asdict(erased)
                    done = done and not erased.remains
            except CallFailed as fault:
                progress(f"{job}: not done: {fault}")
                summary[job] = {"failed": str(fault)}
                done = False
    return summary | {"done": done}


async def check_proof(settings: RetentionSettings) -> tuple[list[str], Verdict]:
    """The rows of the proof as JSON lines, and whether the chain is whole."""
    async with _database(settings) as engine:
        rows = await Erasures(engine).proof()
    lines = [json.dumps({"number": row.number, **json.loads(row.content), "seal": row.seal}) for row in rows]
    return lines, check_chain(rows)


class NightlyJobs:
    """Runs both jobs at 03:00 with the present moment; what could not be done is tried again the same night."""

    def __init__(self, settings: RetentionSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._due = next_night(clock())

    async def run(self) -> None:
        """Works until it is cancelled; begun again after a fault, a night that was not finished is done at once."""
        while True:
            while (wait_s := (self._due - self._clock()).total_seconds()) > 0:  # noqa: ASYNC110 - the wall clock
                await asyncio.sleep(min(wait_s, _LONGEST_SLEEP_S))
            while not await self._one_night():
                minutes = _AGAIN_AFTER_S // 60
                logger.error("the nightly jobs left something undone; they run again in %d minutes", minutes)
                await asyncio.sleep(_AGAIN_AFTER_S)
            self._due = next_night(self._clock())

    async def _one_night(self) -> bool:
        now = self._clock().replace(microsecond=0)
        try:
            return bool((await run_jobs(self._settings, now, BOTH_JOBS, logger.info))["done"])
        except Exception as fault:  # noqa: BLE001 - the daemon goes on answering, and the job is tried again
            logger.error("the nightly jobs failed: %s", fault_without_text(fault))  # noqa: TRY400 - no traceback
            return False


def background_work(
    desk: Desk, notices: Sequence[NoticeWork], changes: AccountFollower, nightly: NightlyJobs
) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """The tasks that run beside the session, by their names; each may be begun again after a fault."""
    return {
        "service account: answering and offering": desk.run,
        **{f"service account: {work.name}": work.run for work in notices},
        "service account: following accounts": changes.run,
        "nightly jobs": nightly.run,
    }


async def run(settings: RetentionSettings) -> None:
    """The daemon: runs until SIGTERM or SIGINT, or until one of its parts fails.

    Raises:
        SettingsError: if the homeserver refuses the service account, or another process uses its store.
    """
    async with (
        _database(settings) as engine,
        _homeserver_client(settings) as homeserver_client,
        MatrixSession(settings.session, engine) as session,
    ):
        offers, rooms, wishes, ends = Offers(engine), ServiceRooms(engine), PeriodWishes(engine), MembershipEnds(engine)
        wording, homeserver = Wording(Catalogue.of("retention")), HomeserverClient(homeserver_client)
        notices = MembershipNotices(session, homeserver, ends=ends, rooms=rooms, wording=wording, clock=present)
        chats = ChatNotices(engine)
        chat_notices = ChatNoticesWork(session, homeserver, notices=chats, rooms=rooms, wording=wording, clock=present)

        def wake() -> None:
            notices.wake.set()
            chat_notices.wake.set()

        effects = AccountEffects(homeserver, ends=ends, offers=offers, notices=chats, wake=wake)
        # How far it has come stands beside the ends.
        changes = AccountFollower(homeserver, ends, effects.apply)
        desk = Desk(session, homeserver, offers=offers, rooms=rooms, wishes=wishes, wording=wording, clock=present)
        conversation = Conversation(
            desk,
            offers=offers,
            rooms=rooms,
            wishes=wishes,
            wording=wording,
            require_signed_devices=settings.require_signed_devices,
            notices=(notices, chat_notices),
        )
        async with BackgroundTasks() as tasks:
            nightly = NightlyJobs(settings, present)
            for name, work in background_work(desk, (notices, chat_notices), changes, nightly).items():
                tasks.start(name, work)
            # Served only now: before the session is up, nobody is answered.
            await _until_one_ends(
                _serve(settings.listen, engine, tasks),
                session.run(conversation, tasks),
            )


async def _serve(listen: ListenAddress, engine: AsyncEngine, tasks: BackgroundTasks | None = None) -> None:
    app = new_application(lambda: answers(engine), tasks)
    add_metrics(app, engine)
    try:
        await serve_until_stopped(app, listen)
    except OSError as fault:
        raise SettingsError(
            f"listen: {listen.host} port {listen.port} cannot be listened on ({fault.strerror}); choose a free port"
        ) from None


async def _until_one_ends(*parts: Awaitable[None]) -> None:
    """Runs both until the first ends or fails, and says how it did."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
