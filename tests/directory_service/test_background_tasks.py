"""Each of the directory's background tasks is killed once: it is noticed, and the work goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import BaseTestServer, TestServer

from directory_service.adapters.account_locks import AccountLocks
from directory_service.adapters.fhir_interface import Search
from directory_service.adapters.listing_feed import ListingFeed
from directory_service.app import open_application
from directory_service.store.page_sessions import PageSessions
from tests.directory_service.bench import Directory

TASKS: tuple[tuple[type, str], ...] = (
    (AccountLocks, "follow"),
    (ListingFeed, "follow"),
    (PageSessions, "forget_ended"),
    (Search, "prepare"),
)


async def health(http: aiohttp.ClientSession, server: BaseTestServer) -> int:
    """What monitoring sees."""
    async with http.get(server.make_url("/health")) as answer:
        return answer.status


@pytest.mark.parametrize(("owner", "method"), TASKS, ids=[f"{owner.__name__}.{method}" for owner, method in TASKS])
async def test_a_task_that_dies_is_seen_and_begun_anew(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    whole: Callable[..., Awaitable[None]] = getattr(owner, method)
    dead, again = asyncio.Event(), asyncio.Event()

    async def dies_once(*arguments: Any) -> None:
        if not dead.is_set():
            dead.set()
            raise RuntimeError("killed by a test")
        again.set()
        await whole(*arguments)

    monkeypatch.setattr(owner, method, dies_once)
    async with open_application(directory.settings) as app, TestServer(app) as server:
        await asyncio.wait_for(dead.wait(), 60)
        await asyncio.sleep(0)
        assert await health(directory.http, server) == 503
        await asyncio.wait_for(again.wait(), 60)


async def test_while_all_go_on_it_is_healthy(directory: Directory) -> None:
    """The positive control."""
    async with directory.http.get(f"{directory.url}/health") as answer:
        assert answer.status == 200
