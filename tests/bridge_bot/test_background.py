"""None of the messenger's own tasks dies unseen; those of its session are tested with it."""

from __future__ import annotations

from messenger_core.background import BackgroundTasks
from tests.bridge_bot.scene import ERIKA, HERS, Scene
from tests.killed_tasks import QUICK, check_each_is_supervised, until

NAMES = ("messenger: sending what is queued", "messenger: following accounts", "messenger: keeping rooms")


async def test_each_task_is_missed_while_it_is_down_and_begins_anew(scene: Scene) -> None:
    scene.fit_room()
    await scene.invited()

    async def works() -> None:
        before = len(scene.said_in(HERS))
        await scene.receive(HERS, ERIKA, {"msgtype": "m.text", "body": "!thema"})

        async def is_answered() -> bool:
            return len(scene.said_in(HERS)) > before

        await until(is_answered)

    async with BackgroundTasks(QUICK) as tasks:
        for name, work in scene.messenger.work.items():
            tasks.start(name, work)
        await check_each_is_supervised(tasks, NAMES, works)
