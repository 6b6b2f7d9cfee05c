"""Attacks on the broker: what a stranger without an account can send it, make it store, and make it call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import sqlalchemy as sa
from aiohttp import web
from joserfc import jws

from gesundheitsid.rules.browser import cookie_of
from gesundheitsid.settings import LimitSettings
from gesundheitsid.store.tables import sign_in
from messenger_core.database import make_engine
from messenger_core.http_connections import ConnectionLimits
from messenger_core.http_limits import MOST_FIELDS, SMALL_BODY_BYTES
from tests.gesundheitsid.scene import ASK, Scene, opened
from tests.security.attack import Attack, Component, Kind, Outcome
from tests.security.bystander import bystander
from tests.security.house import House
from tests.security.raw_http import HalfRequests, RawAnswer, form_of_fields, gzip_of_zeros, request_head, send

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_HALF_HEAD = b"GET /authorize HTTP/1.1\r\nHost: x\r\nX-A"
_CONNECTIONS = ConnectionLimits()
_LIMITS = LimitSettings()
_FLOOD = 400
Attempt = Callable[[House], Awaitable[Outcome]]


@asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[Scene]:
    """The broker's process in a federation that stands on loopback."""
    async with opened(folder, f"sqlite:///{folder}/broker.db", as_process=True) as running:
        yield running


@asynccontextmanager
async def broker_of_the_internet(folder: Path) -> AsyncIterator[Scene]:
    """The broker's process with the shipped rule: it calls no private address."""
    async with opened(folder, f"sqlite:///{folder}/broker.db", as_process=True, private_networks=[]) as running:
        yield running


async def _scene(house: House) -> Scene:
    """The broker, and a browser without cookies."""
    scene = await house.scene(broker)
    scene.cookies.clear()
    return scene


class _Visitor:
    """Somebody at an address of her own, behind the trusted proxy unless she comes past it."""

    def __init__(self, scene: Scene, address: str) -> None:
        self._scene = scene
        self._headers = {"X-Forwarded-For": address}

    async def get(self, path: str, query: Mapping[str, str] | None = None, cookie: str = "") -> tuple[int, str, str]:
        """Status, the cookie that was given, and where the browser is sent to."""
        headers = self._headers | ({"Cookie": cookie} if cookie else {})
        address = f"{self._scene.base}{path}"
        async with self._scene.http.get(address, params=query, headers=headers, allow_redirects=False) as answer:
            given = "; ".join(f"{name}={morsel.value}" for name, morsel in answer.cookies.items())
            return answer.status, given, answer.headers.get("Location", "")

    async def begin(self) -> bool:
        """Begins a sign-in in a fresh browser; whether she is sent to her insurer."""
        _, cookie, _ = await self.get("/authorize", ASK)
        status, _, location = await self.get("/authorize", ASK, cookie)
        return status == 303 and "request_uri=" in location

    async def token(self, secret: str, code: str = "code") -> int:
        """The status of the token endpoint."""
        form = {"grant_type": "authorization_code", "code": code}
        auth = aiohttp.BasicAuth("homeserver", secret)
        async with self._scene.http.post(
            f"{self._scene.base}/token", data=form, headers=self._headers, auth=auth
        ) as answer:
            return answer.status


async def _rows(scene: Scene) -> int:
    engine = make_engine(scene.settings.database)
    async with engine.connect() as connection:
        count: int = (await connection.execute(sa.select(sa.func.count()).select_from(sign_in))).scalar_one()
    await engine.dispose()
    return count


async def _keys(scene: Scene) -> None:
    """The honest request of somebody else."""
    async with scene.http.get(f"{scene.base}/jwks.json") as answer:
        assert answer.status == 200, answer.status
        assert (await answer.json())["keys"]


def _told(answers: list[RawAnswer]) -> str:
    return f"status {sorted({answer.status for answer in answers})}"


def _heavy(method: str, path: str, body: Callable[[], bytes], headers: Mapping[str, str], *refused: int) -> Attempt:
    async def attempt(house: House) -> Outcome:
        scene = await _scene(house)
        heavy = await asyncio.to_thread(body)
        async with bystander(lambda: _keys(scene)) as somebody:
            answers = await asyncio.gather(
                *(
                    send(method, scene.base + path, heavy, {**headers, "X-Forwarded-For": "198.51.100.1"})
                    for _ in range(4)
                )
            )
        honest = await send("POST", f"{scene.base}/token", b"grant_type=x", _FORM)
        stopped = all(answer.status in refused for answer in answers)
        short = all(len(answer.body) < 10_000 for answer in answers)
        return Outcome(stopped and short, honest.status == 401, _told(answers), somebody.longest_wait_ms)

    return attempt


async def _chunked_without_end(house: House) -> Outcome:
    scene = await _scene(house)
    endless = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    async with bystander(lambda: _keys(scene)) as somebody:
        answer = await send("POST", f"{scene.base}/token", endless * 50, _FORM | {"Transfer-Encoding": "chunked"})
    honest = await send(
        "POST", f"{scene.base}/token", b"c\r\ngrant_type=x\r\n0\r\n\r\n", _FORM | {"Transfer-Encoding": "chunked"}
    )
    return Outcome(
        answer.status in {400, 413}, honest.status == 401, f"status {answer.status}", somebody.longest_wait_ms
    )


def _half(begun: Callable[[Scene], bytes], count: int, source: str | None, most: int) -> Attempt:
    async def attempt(house: House) -> Outcome:
        scene = await _scene(house)
        half = HalfRequests(scene.base, begun(scene))

        async def health() -> None:
            answer = await send("GET", f"{scene.base}/health")
            assert answer.status == 200, answer.status

        async with bystander(health) as somebody:
            await half.open(count, source=source)
            opened_at_once = await half.count_open()
            async with asyncio.timeout(120):
                while still := await half.count_open():  # noqa: ASYNC110 - nothing tells when it will
                    await asyncio.sleep(0.5)
        await half.close()
        said = f"{opened_at_once} of {count} were kept at first, {still} at the end"
        return Outcome(
            opened_at_once <= most and not still, allowed=True, said=said, longest_wait_ms=somebody.longest_wait_ms
        )

    return attempt


def _half_body(scene: Scene) -> bytes:
    return request_head("POST", f"{scene.base}/token", _FORM | {"Content-Length": "100"}) + b"grant"


async def _anonymous_flood(house: House) -> Outcome:
    scene = await _scene(house)
    visitor, before = _Visitor(scene, "198.51.100.2"), await _rows(scene)
    asked: list[str] = []
    scene.interference = lambda request: asked.append(request.path)
    async with bystander(lambda: _keys(scene)) as somebody:
        for _ in range(_FLOOD):
            await visitor.get("/authorize", ASK)
    rows = await _rows(scene) - before
    allowed = await _Visitor(scene, "203.0.113.2").begin()
    scene.interference = None
    asked.remove("/par")
    return Outcome(rows == 0 and "/par" not in asked, allowed, f"{rows} rows", somebody.longest_wait_ms)


async def _flood_of_one_browser(house: House) -> Outcome:
    scene = await _scene(house)
    visitor, before = _Visitor(scene, "198.51.100.3"), await _rows(scene)
    _, cookie, _ = await visitor.get("/authorize", ASK)
    async with bystander(lambda: _keys(scene)) as somebody:
        statuses = [(await visitor.get("/authorize", ASK, cookie))[0] for _ in range(60)]
    rows = await _rows(scene) - before
    # Some refill while it lasts.
    stopped = rows <= 2 * _LIMITS.by_browser.burst and statuses[-1] == 429
    return Outcome(stopped, await _Visitor(scene, "203.0.113.3").begin(), f"{rows} rows", somebody.longest_wait_ms)


async def _flood_of_one_address(house: House) -> Outcome:
    scene = await _scene(house)
    visitor, before = _Visitor(scene, "198.51.100.4"), await _rows(scene)
    async with bystander(lambda: _keys(scene)) as somebody:
        begun = [await visitor.begin() for _ in range(_FLOOD)]
    rows = await _rows(scene) - before
    burst = _LIMITS.sign_ins.by_address.burst
    stopped = burst <= rows < _FLOOD and not begun[-1]
    return Outcome(stopped, await _Visitor(scene, "203.0.113.4").begin(), f"{rows} rows", somebody.longest_wait_ms)


async def _flood_with_made_up_addresses(house: House) -> Outcome:
    """Past the proxy, whose word alone counts."""
    scene = await _scene(house)
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.77", 0))
    statuses = []
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        for number in range(60):
            headers = {"X-Forwarded-For": f"198.51.100.{number}"}
            auth = aiohttp.BasicAuth("homeserver", "wrong")
            async with http.post(f"{scene.base}/token", data={"a": "b"}, headers=headers, auth=auth) as answer:
                statuses.append(answer.status)
    allowed = await _Visitor(scene, "203.0.113.5").token("wrong") == 401
    return Outcome(statuses[-1] == 429, allowed, f"status {sorted(set(statuses))}")


async def _wrong_secrets(house: House) -> Outcome:
    scene = await _scene(house)
    stranger = _Visitor(scene, "198.51.100.6")
    statuses = [await stranger.token("wrong") for _ in range(60)]
    # From the same address even: the right secret is never held up.
    allowed = await stranger.token("client-secret") == 400
    return Outcome(statuses[-1] == 429 and 400 not in statuses, allowed, f"status {sorted(set(statuses))}")


async def _guessed_access_tokens(house: House) -> Outcome:
    scene = await _scene(house)
    headers = {"X-Forwarded-For": "198.51.100.7"}
    statuses = []
    for number in range(60):
        answer = await send("GET", f"{scene.base}/userinfo", headers=headers | {"Authorization": f"Bearer {number}"})
        statuses.append(answer.status)
    done = await scene.sign_in()
    status, token = await scene.token(done.query["code"])
    allowed = (
        status == 200 and (await scene.get("/userinfo", Authorization=f"Bearer {token['access_token']}"))[0] == 200
    )
    return Outcome(set(statuses) == {401, 429}, allowed, f"status {sorted(set(statuses))}")


def _address(address: str) -> Attempt:
    async def attempt(house: House) -> Outcome:
        scene = await _scene(house)
        page = await scene.ask(redirect_uri=address)
        stopped = page.status == 400 and not page.location and address not in page.text
        return Outcome(stopped, (await scene.ask()).status == 303, f"status {page.status}")

    return attempt


async def _forged_cookie(house: House) -> Outcome:
    scene = await _scene(house)
    before = await _rows(scene)
    visitor = _Visitor(scene, "198.51.100.8")
    forged = cookie_of(b"a secret of somebody else", "x" * 43)
    _, _, location = await visitor.get("/authorize", ASK, f"hek-sign-in={forged}")
    stopped = await _rows(scene) == before and location.startswith(f"{scene.base}/authorize?")
    return Outcome(stopped, await _Visitor(scene, "203.0.113.8").begin(), "sent back for a cookie")


async def _answer_in_another_browser(house: House) -> Outcome:
    scene = await _scene(house)
    back = scene.identify(await scene.ask())
    own = dict(scene.cookies)
    scene.cookies.clear()
    stolen = await scene.open(back)
    scene.cookies |= own
    honest = await scene.open(back)
    return Outcome(stolen.status == 400 and not stolen.location, "code" in honest.query, f"status {stolen.status}")


async def _code_used_twice(house: House) -> Outcome:
    scene = await _scene(house)
    done = await scene.sign_in()
    first, token = await scene.token(done.query["code"])
    second, _ = await scene.token(done.query["code"])
    status, _ = await scene.get("/userinfo", Authorization=f"Bearer {token['access_token']}")
    return Outcome((second, status) == (400, 401), first == 200, f"status {second}, and {status} for what it gave")


def _number(number: str) -> Attempt:
    async def attempt(house: House) -> Outcome:
        scene = await _scene(house)

        def sign(claims: Mapping[str, Any]) -> str:
            moments = {name: value for name, value in claims.items() if name != "exp"}
            payload = json.dumps(moments)[:-1] + f', "exp": {number}' + "}"
            key = scene.idp.token_key
            return jws.serialize_compact(
                {"alg": "ES256", "kid": key.kid, "typ": "JWT"}, payload.encode(), key, algorithms=["ES256"]
            )

        scene.idp.sign = sign
        try:
            page = await scene.sign_in()
        finally:
            scene.idp.sign = None
        honest = await scene.sign_in()
        return Outcome(page.status == 400 and not page.location, "code" in honest.query, f"status {page.status}")

    return attempt


def _counting(scene: Scene) -> list[str]:
    asked: list[str] = []

    def note(request: web.Request) -> None:
        asked.append(request.path)

    scene.interference = note
    return asked


async def _private_address(house: House) -> Outcome:
    closed, free = await house.scene(broker_of_the_internet), await _scene(house)
    asked = _counting(closed)
    page = await closed.ask()
    return Outcome(page.status == 503 and not asked, (await free.ask()).status == 303, f"status {page.status}")


async def _private_address_in_metadata(house: House) -> Outcome:
    """The network that is allowed is 127.0.0.1 alone; the same server is there at 127.0.0.2 as well."""
    scene = await house.scene(broker_with_one_network)
    endpoint = scene.idp.metadata()["pushed_authorization_request_endpoint"]
    elsewhere = str(endpoint).replace("127.0.0.1", "127.0.0.2")
    scene.idp.change_metadata = lambda said: {**said, "pushed_authorization_request_endpoint": elsewhere}
    asked = _counting(scene)
    page = await scene.ask()
    free = await _scene(house)
    return Outcome(
        page.status == 503 and "/par" not in asked, (await free.ask()).status == 303, f"status {page.status}"
    )


@asynccontextmanager
async def broker_with_one_network(folder: Path) -> AsyncIterator[Scene]:
    """The broker's process, whose identity provider may say what it likes from the start."""
    async with opened(folder, f"sqlite:///{folder}/broker.db", as_process=True) as running:
        yield running


async def _figures(house: House) -> Outcome:
    scene = await _scene(house)
    answer = await send("GET", f"{scene.base}/metrics")
    assert scene.settings.internal_listen is not None
    inside = await send("GET", f"http://127.0.0.1:{scene.settings.internal_listen.port}/metrics")
    stopped = answer.status == 404 and b"hek_gesundheitsid" not in answer.body
    return Outcome(stopped, inside.status == 200 and b"hek_gesundheitsid" in inside.body, f"status {answer.status}")


async def _hang_ups(house: House) -> Outcome:
    scene = await _scene(house)
    log = scene.settings.keys_file.parent / "broker.log"
    before = log.stat().st_size
    half = HalfRequests(scene.base, _half_body(scene))
    await half.open(20)
    await asyncio.sleep(0.5)
    await half.close()
    whole = HalfRequests(scene.base, request_head("GET", f"{scene.base}/authorize?{urlencode(ASK)}", {}))
    await whole.open(20)
    await whole.close()
    garbage = await send("GARBAGE", f"{scene.base}/\x01", b"\x00" * 100)
    await _keys(scene)
    written = log.read_bytes()[before:].decode()
    honest = (await scene.ask()).status == 303
    stopped = "ERROR" not in written and "Traceback" not in written
    return Outcome(stopped, honest, f"{len(written.splitlines())} lines; status {garbage.status} for garbage")


def _row(name: str, kind: Kind, limit: str, attempt: Attempt, notice: str = "nothing") -> Attack:
    return Attack(f"broker: {name}", Component.BROKER, kind, limit, notice, attempt)


_PACKED = partial(gzip_of_zeros, 1024 * 1024 * 1024)
_NO_SCRIPT = "return addresses are compared with the client's own"
ATTACKS = (
    *(
        _row(
            f"a gigabyte of zeros, compressed ({coding}), to {path}",
            Kind.HEAVY_BODY,
            "compressed bodies are refused unread (415)",
            _heavy("POST", path, _PACKED, _FORM | {"Content-Encoding": coding}, 415),
        )
        for coding, path in (
            ("gzip", "/token"),
            ("deflate", "/choose"),
            ("gzip", "/authorize"),
            ("br", "/no-such-path"),
        )
    ),
    _row(
        "12 MB of form fields to the token endpoint",
        Kind.HEAVY_BODY,
        f"bodies of {SMALL_BODY_BYTES} bytes",
        _heavy("POST", "/token", partial(form_of_fields, 12_000_000), _FORM, 400, 413),
    ),
    _row(
        "a small form with as many fields as fit",
        Kind.HEAVY_BODY,
        f"{MOST_FIELDS} fields",
        _heavy("POST", "/token", partial(form_of_fields, SMALL_BODY_BYTES), _FORM, 400, 413),
    ),
    _row(
        "a body in pieces that does not end",
        Kind.HEAVY_BODY,
        f"bodies of {SMALL_BODY_BYTES} bytes",
        _chunked_without_end,
    ),
    _row(
        "1,000 half heads from one address",
        Kind.HALF_REQUEST,
        f"{_CONNECTIONS.by_address} connections an address, {_CONNECTIONS.head_s:.0f} s for a head",
        _half(lambda _: _HALF_HEAD, 1_000, "127.0.0.9", _CONNECTIONS.by_address),
    ),
    _row(
        "1,500 half heads through the proxy's address",
        Kind.HALF_REQUEST,
        f"{_CONNECTIONS.in_all} connections in all, of which those that wait make room",
        _half(lambda _: _HALF_HEAD, 1_500, None, _CONNECTIONS.in_all),
    ),
    _row(
        "300 half bodies",
        Kind.HALF_REQUEST,
        f"{_CONNECTIONS.body_s:.0f} s for a body",
        _half(_half_body, 300, None, 300),
    ),
    _row(
        "connections on which nothing is said",
        Kind.HALF_REQUEST,
        f"{_CONNECTIONS.head_s:.0f} s for a head",
        _half(lambda _: b"", 300, None, 300),
    ),
    _row(
        "400 anonymous sign-ins",
        Kind.FLOOD,
        "nothing is stored and nobody asked before a cookie of ours comes back",
        _anonymous_flood,
    ),
    _row(
        "sign-ins of one browser without end",
        Kind.FLOOD,
        f"{_LIMITS.by_browser.burst} at once of one browser, {_LIMITS.by_browser.per_minute:.0f} a minute",
        _flood_of_one_browser,
    ),
    _row(
        "400 sign-ins from one address, each with a cookie of its own",
        Kind.FLOOD,
        f"{_LIMITS.sign_ins.by_address.burst} at once of one address",
        _flood_of_one_address,
        "one address has its sign-ins of a minute used up",
    ),
    _row(
        "addresses made up past the proxy",
        Kind.FOREIGN_LIMIT,
        "X-Forwarded-For counts from trusted proxies alone",
        _flood_with_made_up_addresses,
    ),
    _row(
        "wrong client secrets without end",
        Kind.FOREIGN_LIMIT,
        "only what is wrong counts, against its sender's address",
        _wrong_secrets,
    ),
    _row(
        "guessed access tokens without end",
        Kind.FOREIGN_LIMIT,
        "only what is wrong counts, against its sender's address",
        _guessed_access_tokens,
    ),
    *(
        _row(f"the return address {address}", Kind.SCRIPT, _NO_SCRIPT, _address(address))
        for address in (
            "javascript:alert(1)",
            "data:text/html,<script>alert(1)</script>",
            "vbscript:msgbox(1)",
            "blob:https://evil.example/x",
            "file:///etc/passwd",
            "//evil.example/callback",
        )
    ),
    _row(
        "a cookie that it did not give", Kind.FALSE_PROOF, "cookies are sealed with the broker's secret", _forged_cookie
    ),
    _row(
        "an answer brought back in another browser",
        Kind.FALSE_PROOF,
        "a sign-in ends in the browser that began it",
        _answer_in_another_browser,
    ),
    _row("a code used twice", Kind.FALSE_PROOF, "the second use ends what the first gave", _code_used_twice),
    *(
        _row(f"an ID token that ends at {name}", Kind.FALSE_PROOF, "numbers up to 2**53", _number(number))
        for name, number in (("1e999", "1e999"), ("a number of 400 digits", "9" * 400), ("NaN", "NaN"))
    ),
    _row(
        "a federation master at a private address",
        Kind.REACHING_OUT,
        "addresses of the internet, and networks in the settings",
        _private_address,
    ),
    _row(
        "an entity statement that names a private address",
        Kind.REACHING_OUT,
        "each address is checked where the connection is made",
        _private_address_in_metadata,
    ),
    _row("its figures", Kind.OPEN_DOOR, "a listener of their own", _figures),
    _row("clients that hang up, and garbage", Kind.LOG, "no line of a fault", _hang_ups),
)
