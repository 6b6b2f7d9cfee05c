"""What a stranger can make the broker do: nothing before she has a cookie of ours, and not as often as she likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiohttp import web

from gesundheitsid.adapters.reachable_addresses import is_reachable
from gesundheitsid.rules.browser import cookie_of
from gesundheitsid.settings import LimitSettings
from gesundheitsid.store.tables import sign_in
from messenger_core.client_address import read_address
from messenger_core.database import make_engine
from messenger_core.rate_limits import Rate, RateSettings
from tests.gesundheitsid.scene import ASK, CLIENT_CALLBACK, Scene, opened

_FEW = RateSettings(by_address=Rate(burst=3, per_minute=1), in_all=Rate(burst=5, per_minute=1))
_FEW_EACH = LimitSettings(sign_ins=_FEW, by_browser=Rate(burst=2, per_minute=1), answers=_FEW, failed_clients=_FEW)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with opened(tmp_path, f"sqlite:///{tmp_path}/broker.db", limits=_FEW_EACH) as running:
        yield running


async def _rows(scene: Scene) -> int:
    engine = make_engine(scene.settings.database)
    async with engine.connect() as connection:
        rows: int = (await connection.execute(sa.select(sa.func.count()).select_from(sign_in))).scalar_one()
    await engine.dispose()
    return rows


def _counting(scene: Scene) -> list[str]:
    """The paths that master and identity provider are asked for from now on."""
    asked: list[str] = []

    def note(request: web.Request) -> None:
        asked.append(request.path)

    scene.interference = note
    return asked


async def test_nothing_is_stored_and_nobody_asked_before_the_cookie_comes_back(scene: Scene) -> None:
    asked = _counting(scene)
    for _ in range(50):
        page = await scene.open(f"{scene.base}/authorize", query=ASK)
        assert page.location.startswith(f"{scene.base}/authorize?")
        scene.cookies.clear()
    assert (await _rows(scene), asked) == (0, [])
    assert (await scene.ask()).status == 303
    assert await _rows(scene) == 1
    assert "/par" in asked


@pytest.mark.parametrize(
    "cookie", ["x" * 43, "x" * 43 + "." + "y" * 43, "", "x", cookie_of(b"another secret", "x" * 43), "ü" * 43]
)
async def test_a_cookie_that_we_did_not_give_is_none(scene: Scene, cookie: str) -> None:
    scene.cookies["hek-sign-in"] = cookie
    page = await scene.open(f"{scene.base}/authorize", query=ASK)
    assert page.location.startswith(f"{scene.base}/authorize?")
    assert await _rows(scene) == 0


async def test_a_browser_without_cookies_reads_so_and_is_not_sent_around(scene: Scene) -> None:
    page = await scene.open(f"{scene.base}/authorize", query=ASK)
    scene.cookies.clear()
    again = await scene.open(page.location)
    assert (again.status, "cookies-off" in again.text) == (400, True)
    assert "erlauben Sie dieser Seite Cookies" in again.text


async def test_the_second_request_asks_for_the_same(scene: Scene) -> None:
    page = await scene.open(f"{scene.base}/authorize", query={**ASK, "state": "ä &=?#/%41"})
    assert page.query == {**ASK, "state": "ä &=?#/%41", "hek_cookie": "1"}


async def test_one_browser_begins_so_many_sign_ins_and_reads_when_to_come_again(scene: Scene) -> None:
    for _ in range(2):
        assert (await scene.ask()).status == 303
    asked = _counting(scene)
    refused = await scene.ask()
    assert (refused.status, "too-many" in refused.text) == (429, True)
    assert "Bitte warten Sie" in refused.text
    assert asked == []
    assert await _rows(scene) == 2
    headers = {"Cookie": f"hek-sign-in={scene.cookies['hek-sign-in']}"}
    async with scene.http.get(f"{scene.base}/authorize", params=ASK, headers=headers) as answer:
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def _begin(scene: Scene, address: str) -> int:
    """A fresh browser at an address behind the proxy."""
    browser = {"X-Forwarded-For": address}
    async with scene.http.get(f"{scene.base}/authorize", params=ASK, headers=browser, allow_redirects=False) as first:
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in first.cookies.items())
    headers = {**browser, "Cookie": cookie}
    async with scene.http.get(f"{scene.base}/authorize", params=ASK, headers=headers, allow_redirects=False) as answer:
        return answer.status


async def test_one_address_begins_so_many_sign_ins_and_leaves_the_others_theirs(scene: Scene) -> None:
    assert [await _begin(scene, "203.0.113.7") for _ in range(6)] == [303, 303, 303, 429, 429, 429]
    assert [await _begin(scene, f"2001:db8::{number}") for number in (1, 2)] == [303, 303]
    assert await _begin(scene, "203.0.113.9") == 429, "in all"


async def test_a_database_that_fails_is_a_page_and_not_a_fault_of_hers(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make_engine(scene.settings.database)
    async with engine.begin() as connection:
        await connection.run_sync(sign_in.drop)
    await engine.dispose()
    page = await scene.ask()
    assert (page.status, "broker-failed" in page.text) == (503, True)
    assert "das nicht an Ihnen liegt" in page.text
    assert "a sign-in failed: OperationalError at " in caplog.text
    assert ASK["state"] not in caplog.text


async def test_answers_of_identity_providers_are_counted_as_well(scene: Scene) -> None:
    statuses = [(await scene.open(f"{scene.base}/callback?state={'x' * 43}")).status for _ in range(5)]
    assert statuses == [400, 400, 400, 429, 429]


async def test_wrong_secrets_are_counted_and_the_right_one_is_never_held_up(scene: Scene) -> None:
    statuses = [(await scene.token("code", secret="wrong"))[0] for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    done = await scene.sign_in()
    assert (await scene.token(done.query["code"]))[0] == 200
    assert [(await scene.get("/userinfo", Authorization="Bearer x"))[0] for _ in range(2)] == [429, 429]


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "blob:https://x", "file:///etc/passwd", "//evil.example"],
)
async def test_nobody_is_sent_to_an_address_that_is_no_clients(scene: Scene, address: str) -> None:
    page = await scene.ask(redirect_uri=address)
    assert (page.status, page.location, "redirect-unknown" in page.text) == (400, "", True)
    assert address not in page.text
    assert (await scene.ask(redirect_uri=CLIENT_CALLBACK)).status == 303


@pytest.mark.parametrize(
    ("address", "reachable"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::5db8:d822", True),
    ],
)
def test_only_addresses_of_the_internet_are_called(address: str, *, reachable: bool) -> None:
    assert is_reachable(read_address(address), ()) is reachable


def test_what_the_operator_allows_is_called() -> None:
    allowed = [ip_network("10.0.0.0/8")]
    assert is_reachable(read_address("10.1.2.3"), allowed)
    assert not is_reachable(read_address("127.0.0.1"), allowed)


async def test_no_private_address_is_called_for_an_entity_whatever_its_name(tmp_path: Path) -> None:
    async with opened(tmp_path, f"sqlite:///{tmp_path}/broker.db", private_networks=[]) as scene:
        asked = _counting(scene)
        page = await scene.ask()
        assert (page.status, "federation-unavailable" in page.text) == (503, True)
        assert asked == []


async def test_each_background_task_is_begun_anew_and_missed_meanwhile(scene: Scene) -> None:
    names = {"removal of what has expired", "logout notices"}

    def running() -> dict[str, asyncio.Task[object]]:
        return {task.get_name(): task for task in asyncio.all_tasks() if task.get_name() in names}

    assert set(running()) == names
    for name in sorted(names):
        killed = running()[name]
        killed.cancel()
        async with asyncio.timeout(30):
            while (await scene.get("/health"))[0] != 503:  # noqa: ASYNC110 - nothing tells when it will
                await asyncio.sleep(0.01)
            while running().get(name) in {None, killed}:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
    assert set(running()) == names
    _, figures = await scene.get("/metrics")
    assert all(f'hek_gesundheitsid_background_failures{{task="{name}"}} 1.0' in figures for name in names)
