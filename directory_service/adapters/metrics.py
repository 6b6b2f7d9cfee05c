"""The directory's figures in the format that Prometheus reads; none is about a person or what she searched."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from directory_service.adapters.search_turns import SearchTurns
from directory_service.rules.fhir.listing import Listing
from messenger_core.background import BackgroundTasks
from messenger_core.event_loop_watch import EventLoopWatch

METRICS_PATH = "/metrics"


class Metrics:
    """What is read when it is asked for."""

    def __init__(self, watch: EventLoopWatch, turns: SearchTurns, listing: Listing, tasks: BackgroundTasks) -> None:
        self._registry = CollectorRegistry()
        self._tasks = tasks
        watch.add_to(self._registry)
        running = Gauge(
            "hek_directory_long_searches", "Long searches that go on or wait their turn.", registry=self._registry
        )
        running.set_function(lambda: turns.running)
        listed = Gauge("hek_directory_listed_practices", "Practices that are listed.", registry=self._registry)
        listed.set_function(lambda: len(listing))
        self._down = Gauge(
            "hek_directory_background_task_down", "Whether a task is down.", ["task"], registry=self._registry
        )

    def add_to(self, app: web.Application) -> None:
        """Adds ``GET /metrics``."""
        app.router.add_get(METRICS_PATH, self._show)

    async def _show(self, _request: web.Request) -> web.Response:
        for name in self._tasks.names:
            self._down.labels(name).set(name in self._tasks.down)
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
