"""None of retention's own tasks dies unseen; those of its session are tested with it."""

from __future__ import annotations

from pathlib import Path

from messenger_core.account_changes import AccountFollower
from messenger_core.background import BackgroundTasks
from messenger_core.catalogue import Catalogue
from messenger_core.clock import present
from messenger_core.settings import load_settings
from retention.adapters.homeserver import HomeserverClient
from retention.app import NightlyJobs, background_work
from retention.settings import RetentionSettings
from retention.store.chat_notices import ChatNotices
from retention.store.membership_ends import MembershipEnds
from retention.use_cases.account_effects import AccountEffects
from retention.use_cases.chat_notices import ChatNoticesWork
from retention.use_cases.membership_notices import MembershipNotices
from retention.use_cases.wording import Wording
from tests.killed_tasks import QUICK, check_each_is_supervised, until
from tests.retention.adapters.service import Service
from tests.retention.stand_ins import write_settings

NAMES = (
    "nightly jobs",
    "service account: answering and offering",
    "service account: following accounts",
    "service account: telling of chats",
    "service account: telling of memberships",
)


async def test_each_task_is_missed_while_it_is_down_and_begins_anew(service: Service, tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"
    settings = load_settings(RetentionSettings, write_settings(tmp_path, nobody, nobody))
    homeserver, wording = HomeserverClient(service.client), Wording(Catalogue.of("retention"))
    ends, chats = MembershipEnds(service.engine), ChatNotices(service.engine)
    notices = (
        MembershipNotices(service.account, homeserver, ends=ends, rooms=service.rooms, wording=wording, clock=present),
        ChatNoticesWork(
            service.account, homeserver, notices=chats, rooms=service.rooms, wording=wording, clock=present
        ),
    )
    effects = AccountEffects(homeserver, ends=ends, offers=service.offers, notices=chats, wake=lambda: None)
    changes = AccountFollower(homeserver, ends, effects.apply)
    await service.offer()

    async def works() -> None:
        async def is_offered() -> bool:
            return bool(service.account.texts("offer "))

        await until(is_offered)

    async with BackgroundTasks(QUICK) as tasks:
        for name, work in background_work(service.desk, notices, changes, NightlyJobs(settings, present)).items():
            tasks.start(name, work)
        await check_each_is_supervised(tasks, NAMES, works)
