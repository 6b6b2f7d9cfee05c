"""The broker's figures in the format that Prometheus reads; none is about a person."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from gesundheitsid.adapters.key_file import KeyFile
from gesundheitsid.rules.key_ring import days_left
from gesundheitsid.rules.refusals import Reason
from gesundheitsid.store.grants import Grants
from messenger_core.background import BackgroundTasks
from messenger_core.clock import Clock

METRICS_PATH = "/metrics"


class Metrics:
    """What is counted in this process, and what is read when it is asked for."""

    def __init__(self, grants: Grants, keys: KeyFile, tasks: BackgroundTasks, clock: Clock) -> None:
        self._grants = grants
        self._tasks = tasks
        self._keys = keys
        self._clock = clock
        self._registry = CollectorRegistry()
        self._sign_ins = Counter(
            "hek_gesundheitsid_sign_ins", "Sign-ins, by how they ended.", ["outcome"], registry=self._registry
        )
        for outcome in ("answered", *Reason):
            self._sign_ins.labels(outcome)
        self._replays = Counter("hek_gesundheitsid_replayed_codes", "Codes used twice.", registry=self._registry)
        self._sessions = Gauge("hek_gesundheitsid_sessions", "Sessions remembered.", registry=self._registry)
        self._untold = Gauge(
            "hek_gesundheitsid_logouts_waiting",
            "Ended sessions whose client does not know yet.",
            registry=self._registry,
        )
        self._days = Gauge(
            "hek_gesundheitsid_certificate_days_left", "Days until our TLS certificate ends.", registry=self._registry
        )

        self._task_failures = Gauge(
            "hek_gesundheitsid_background_failures",
            "How often a background task has failed since the start.",
            ["task"],
            registry=self._registry,
        )

    def answered(self) -> None:
        """A person went back to her client with a code."""
        self._sign_ins.labels("answered").inc()

    def refused(self, reason: Reason) -> None:
        """A sign-in was refused."""
        self._sign_ins.labels(reason).inc()

    def replayed(self) -> None:
        """A code was used twice."""
        self._replays.inc()

    def add_to(self, app: web.Application) -> None:
        """Adds ``GET /metrics``."""
        app.router.add_get(METRICS_PATH, self._show)

    async def _show(self, _request: web.Request) -> web.Response:
        counts = await self._grants.counts()
        self._sessions.set(counts["sessions"])
        self._untold.set(counts["untold"])
        self._days.set(days_left(self._keys.ring("tls").current, self._clock()))
        for task, count in self._tasks.failures.items():
            self._task_failures.labels(task).set(count)
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
