"""A session's figures in the format that Prometheus reads."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix.clock import present
from messenger_core.matrix.store.figures import SessionFigures, accounts, session_figures

METRICS_PATH = "/metrics"


def add_metrics(app: web.Application, engine: AsyncEngine) -> None:
    """Adds ``GET /metrics`` with the figures of every account in the database; nothing in it is about a person."""

    async def show(_: web.Request) -> web.Response:
        now = present()
        figures = [await session_figures(engine, account, now) for account in await accounts(engine)]
        return web.Response(body=as_metrics(figures), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    app.router.add_get(METRICS_PATH, show)


def as_metrics(sessions: list[SessionFigures]) -> bytes:
    """The figures of all accounts of a service together."""
    registry = CollectorRegistry()

    def gauge(name: str, meaning: str, values: dict[str, float], label: str | None = None) -> None:
        shown = Gauge(f"hek_session_{name}", meaning, [label] if label else [], registry=registry)
        for key, value in values.items():
            (shown.labels(key) if label else shown).set(value)

    def total(counts: list[dict[str, int]]) -> dict[str, float]:
        return {key: float(sum(count.get(key, 0) for count in counts)) for count in counts for key in count}

    gauge("events", "Events received, by state.", total([each.journal for each in sessions]), "state")
    gauge("parked", "Events set aside, by reason.", total([each.parked for each in sessions]), "reason")
    gauge("outbox", "Messages of ours, by state.", total([each.outbox for each in sessions]), "state")
    gauge(
        "oldest_pending_seconds",
        "How long the oldest event has waited to be handled.",
        {"": max((each.oldest_pending_s for each in sessions), default=0.0)},
    )
    gauge(
        "oldest_waiting_key_seconds",
        "How long the oldest event has waited for its key.",
        {"": max((each.oldest_waiting_key_s for each in sessions), default=0.0)},
    )
    gauge(
        "oldest_queued_seconds",
        "How long the oldest message has waited to be sent.",
        {"": max((each.oldest_queued_s for each in sessions), default=0.0)},
    )
    gauge("rooms_with_gaps", "Rooms with events to be fetched.", {"": sum(each.rooms_with_gaps for each in sessions)})
    gauge("unshared_keys", "Devices that are owed a room key.", {"": sum(each.unshared_keys for each in sessions)})
    gauge(
        "undigested_to_device",
        "To-device messages not taken in.",
        {"": sum(each.undigested_to_device for each in sessions)},
    )
    left = [each.one_time_keys_left for each in sessions if each.one_time_keys_left is not None]
    if left:
        gauge("one_time_keys_left", "One-time keys left at the homeserver, the fewest.", {"": min(left)})
    return generate_latest(registry)
