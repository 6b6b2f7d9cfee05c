"""The limits of every public endpoint, read from the code and the shipped settings, as docs/security.md tells them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from pydantic import BaseModel

import bridge_bot.app
import directory_service.app
from bridge_bot.settings import BotSettings
from directory_service.search.fhir.work import MOST_WORK
from directory_service.settings import DirectorySettings, RateLimitSettings
from gesundheitsid.settings import LimitSettings
from messenger_core.database import open_database
from messenger_core.http_connections import IDLE_S, ConnectionLimits
from messenger_core.http_limits import LONGEST_ADDRESS, MOST_FIELDS, SMALL_BODY_BYTES
from messenger_core.rate_limits import Rate
from synapse_modules.rules import request_limits
from synapse_modules.settings import ModuleSettings
from tests.bridge_bot.scene import settings_in
from tests.directory_service.bench import settings_for
from tests.gesundheitsid.scene import opened

_CONFIG = Path(__file__).parents[2] / "config"
_KIB = 1024
_DIGEST = re.compile(r"/pages/[0-9a-f]{16}/")


@asynccontextmanager
async def _directory(folder: Path) -> AsyncIterator[web.Application]:
    values = settings_for(
        folder, url="http://127.0.0.1:1", homeserver="http://127.0.0.1:1", database=f"sqlite:///{folder}/d.db"
    )
    async with directory_service.app.open_application(DirectorySettings.model_validate(values)) as app:
        yield app


@asynccontextmanager
async def _bot(folder: Path) -> AsyncIterator[web.Application]:
    settings = BotSettings.model_validate(settings_in(folder))
    engine = await open_database(settings.database, "bridge_bot")
    try:
        yield bridge_bot.app.http_application(settings, engine)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _broker(folder: Path) -> AsyncIterator[web.Application]:
    async with opened(folder, f"sqlite:///{folder}/b.db") as scene:
        assert scene.application is not None
        yield scene.application


def _endpoints(component: str, app: web.Application) -> Iterator[str]:
    """One row an address, with the largest body that its methods take."""
    found: dict[str, tuple[set[str], int]] = {}
    for route in app.router.routes():
        if route.resource is None or route.method == "HEAD":
            continue
        most = int(getattr(route.handler, "most_body_bytes", SMALL_BODY_BYTES))
        path = _DIGEST.sub("/pages/{digest}/", route.resource.canonical)
        methods, before = found.get(path, (set(), 0))
        found[path] = (methods | {route.method}, max(before, most))
    for path, (methods, most) in sorted(found.items()):
        named = ", ".join(sorted(method.replace("*", "GET, POST") for method in methods))
        yield f"| {component} | `{named} {path}` | {most // _KIB} KiB |"


def _rates(component: str, settings: BaseModel, name: str = "") -> Iterator[str]:
    """One row a limit; settings in settings are named by both."""
    for field in type(settings).model_fields:
        value, full = getattr(settings, field), f"{name}.{field}" if name else field
        if isinstance(value, Rate):
            yield f"| {component} | `{full}` | {value.burst} at once, {value.per_minute:g} a minute |"
        elif isinstance(value, BaseModel):
            yield from _rates(component, value, full)


def _synapse_rates(settings: dict[str, Any], name: str = "") -> Iterator[str]:
    if "burst_count" in settings:
        per_minute = settings["per_second"] * 60
        yield f"| homeserver | `{name}` | {settings['burst_count']} at once, {per_minute:g} a minute |"
        return
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _synapse_rates(value, f"{name}.{key}" if name else key)


def _homeserver() -> Iterator[str]:
    for what, limit in (
        ("any form", request_limits.FORM_BYTES),
        ("any other body without a token or signature", request_limits.ANONYMOUS_BYTES),
        ("any other body", request_limits.SIGNED_IN_BYTES),
        ("key backup (`/room_keys/keys`)", request_limits.KEY_BACKUP_BYTES),
        ("transactions of other servers (`/_matrix/federation/…/send`)", request_limits.TRANSACTION_BYTES),
    ):
        yield f"| homeserver | {what} | {limit // _KIB} KiB |"
    synapse = yaml.safe_load((_CONFIG / "synapse" / "homeserver.yaml").read_text(encoding="utf-8"))
    yield f"| homeserver | files, with a token | {synapse['max_upload_size']} |"


def _servers() -> Iterator[str]:
    ours, fields = ConnectionLimits(), ModuleSettings.model_fields
    rows = {
        "connections of one address": (ours.by_address, fields["max_connections_per_address"].default),
        "connections in all, as far as descriptors allow": (ours.in_all, fields["max_connections"].default),
        "seconds for a request's head": (ours.head_s, request_limits.HEAD_S),
        "seconds for its body": (ours.body_s, f"{request_limits.BODY_S:g}, longer for large ones"),
        "seconds without a request": (IDLE_S, request_limits.IDLE_S),
        "fields of a form": (MOST_FIELDS, request_limits.MOST_FIELDS),
        "letters of an address": (LONGEST_ADDRESS, "Synapse's own"),
        "compressed bodies": ("refused unread (415)", "refused unread (415)"),
    }
    for what, (of_ours, of_the_homeserver) in rows.items():
        yield f"| {what} | {_shown(of_ours)} | {_shown(of_the_homeserver)} |"


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


async def limits_as_markdown(folder: Path) -> str:
    """All limits; ``folder`` is for the databases of the applications whose routes are read."""
    endpoints: list[str] = [*_homeserver()]
    for component, start in (("broker", _broker), ("directory", _directory), ("bot", _bot)):
        own = folder / component
        own.mkdir()
        async with start(own) as app:
            endpoints += _endpoints(component, app)
    synapse = yaml.safe_load((_CONFIG / "synapse" / "homeserver.yaml").read_text(encoding="utf-8"))
    rates = [
        *_synapse_rates({name: value for name, value in synapse.items() if name.startswith("rc_")}),
        *_rates("broker", LimitSettings()),
        *_rates("directory", RateLimitSettings()),
    ]
    return "\n".join(
        [
            "| every server | broker, directory, bot, retention | homeserver |",
            "|---|---|---|",
            *_servers(),
            "",
            "| component | endpoint | body at most |",
            "|---|---|---|",
            *endpoints,
            "",
            f"A search is bounded by what it asks for, too: {MOST_WORK} comparisons with a practice in all.",
            "",
            "| component | limit, as the settings call it | how often |",
            "|---|---|---|",
            *rates,
        ]
    )
