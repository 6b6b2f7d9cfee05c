"""Attacks on the homeserver's front, straight and through the shipped proxy: bodies, half requests, limits, pages."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import quote, urlencode

import aiohttp
from joserfc.jwk import ECKey

from messenger_core.homeserver_interface import HOMESERVER_TOKEN_PATH, LOGIN_PATH, MACHINE_PREFIX
from messenger_core.service_auth.assertions import make_assertion, sign_statement
from messenger_core.service_auth.keys import generate_private_key, public_jwks, read_private_key
from messenger_core.service_auth.token_grant import ASSERTION_TYPE, GRANT_TYPE
from sandbox.key_sign_in import key_proof
from sandbox.keys import OPERATOR
from sandbox.machine_calls import machine_call
from sandbox.own_addresses import from_own_address, own_address
from sandbox.running import Ready
from tests.browser import chromium
from tests.security.attack import Attack, Component, Kind, Outcome
from tests.security.bystander import bystander
from tests.security.house import House, sandbox
from tests.security.raw_http import (
    HalfRequests,
    RawAnswer,
    form_of_fields,
    gzip_of_zeros,
    json_of_fields,
    nested_json,
    request_head,
    send,
)
from tests.system.conftest import Sandbox

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}
_GZIP = {**_JSON, "Content-Encoding": "gzip"}
_LOGOUT = "/_synapse/client/oidc/backchannel_logout"
_UPLOAD = "/_matrix/media/v3/upload"
_REDIRECT = "/_matrix/client/v3/login/sso/redirect?redirectUrl="
_PICK = "/_synapse/client/pick_idp?redirectUrl="
_MIB = 1024 * 1024
_MOST_ATTEMPTS = 200
_HALVES = 1000


async def ask(
    method: str, address: str, *, source: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> RawAnswer:
    """Asks from somebody's own address."""
    async with (
        aiohttp.ClientSession(connector=from_own_address(source)) as http,
        http.request(method, address, data=body, headers=headers, allow_redirects=False) as answer,
    ):
        found = {name.lower(): value for name, value in answer.headers.items()}
        return RawAnswer(answer.status, found, await answer.read())


async def _versions(base: str) -> None:
    answer = await ask("GET", f"{base}/_matrix/client/versions", source="bystander")
    assert answer.status == 200, answer.status


async def _base(house: House) -> str:
    running: Sandbox = await house.scene(sandbox)
    return str(running.ready["homeserver"])


async def _ready(house: House) -> Ready:
    running: Sandbox = await house.scene(sandbox)
    return Ready.model_validate(running.ready)


# -- Bodies that cost more than they weigh ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Heavy:
    """A heavy request, and a small one that is as like it as can be; with the statuses that they get."""

    name: str
    limit: str
    path: str
    body: Callable[[], bytes]
    headers: Mapping[str, str]
    refused: int
    small: bytes
    served: int
    method: str = "POST"


_HEAVY = (
    _Heavy(
        "12 MB of empty fields at the sign-in", "16 KiB a form", LOGIN_PATH,
        lambda: form_of_fields(12 * _MIB), _FORM, 413, b"a=1", 400,
    ),
    _Heavy(
        "12 MB of empty fields at an address that is none", "16 KiB a form", "/nowhere",
        lambda: form_of_fields(12 * _MIB), _FORM, 413, b"a=1", 404,
    ),
    _Heavy(
        "12 MB of empty fields at the provider's sign-out", "16 KiB a form", _LOGOUT,
        lambda: form_of_fields(12 * _MIB), _FORM, 413, b"logout_token=x", 400,
    ),
    _Heavy(
        "12 MB of empty fields at the machines' token endpoint", "16 KiB a form", HOMESERVER_TOKEN_PATH,
        lambda: form_of_fields(12 * _MIB), _FORM, 413, b"grant_type=x", 400,
    ),
    _Heavy(
        "8,000 fields in a small form", "100 fields a form", _LOGOUT,
        lambda: form_of_fields(16_000), _FORM, 400, b"logout_token=x&a=1", 400,
    ),
    _Heavy(
        "80 fields in a request for a machine's token", "20 fields", HOMESERVER_TOKEN_PATH,
        lambda: b"a=1&" * 80, _FORM, 400, b"grant_type=x", 400,
    ),
    _Heavy(
        "500 fields in a query", "100 fields a query", f"/_matrix/client/versions?{'a=1&' * 500}",
        bytes, {}, 400, b"", 400, "GET",
    ),
    _Heavy(
        "200 MB of zeros in a compressed sign-in", "nothing compressed is read", LOGIN_PATH,
        lambda: gzip_of_zeros(200 * _MIB), _GZIP, 415, b"{}", 415,
    ),
    _Heavy(
        "200 MB of zeros in a compressed machine's call", "nothing compressed is read", f"{MACHINE_PREFIX}/v1/erasures",
        lambda: gzip_of_zeros(200 * _MIB), _GZIP, 415, b"{}", 415,
    ),
    _Heavy(
        "a file of nobody's", "64 KiB without a token", _UPLOAD, lambda: bytes(3 * _MIB), {}, 413, b"file", 401,
    ),
    _Heavy(
        "3 MB of JSON at the sign-in", "64 KiB without a token", LOGIN_PATH,
        lambda: json_of_fields(200_000), _JSON, 413, b"{}", 400,
    ),
    _Heavy(
        "3 MB of JSON with a made-up token", "1 MiB with a token", "/_matrix/client/v3/createRoom",
        lambda: json_of_fields(200_000), {**_JSON, "Authorization": "Bearer x"}, 413, b"{}", 401,
    ),
    _Heavy(
        "30,000 levels of JSON", "JSON that cannot be read is refused", LOGIN_PATH,
        lambda: nested_json(30_000), _JSON, 400, b"{}", 400,
    ),
)  # fmt: skip


async def _heavy(what: _Heavy, house: House) -> Outcome:
    base = await _base(house)
    body = what.body()
    async with bystander(partial(_versions, base)) as others:
        answer = await send(what.method, base + what.path, body, what.headers)
    small_headers = {name: value for name, value in what.headers.items() if name != "Content-Encoding"}
    small_path = what.path.partition("&")[0]
    small = await send(what.method, base + small_path, what.small, small_headers)
    served = {200, what.served} if what.served != 415 else {200, 400, 401}
    return Outcome(
        answer.status == what.refused and b"Traceback" not in answer.body and len(answer.body) < 2000,
        small.status in served,
        f"status {answer.status}, beside it {small.status}",
        others.longest_wait_ms,
    )


async def _unknown_fields(house: House) -> Outcome:
    ready = await _ready(house)
    many = {f"f{number}": 1 for number in range(50_000)}
    async with bystander(partial(_versions, ready.homeserver)) as others:
        status, body = await machine_call(
            ready, "core-system", "POST", "homeserver:/v1/memberships/status", {"kvnr": "A123456780", **many}
        )
    fine, _ = await machine_call(
        ready, "core-system", "POST", "homeserver:/v1/memberships/status", {"kvnr": "A123456780"}
    )
    size = len(json.dumps(body))
    return Outcome(
        status == 400 and size < 10_000, fine == 200, f"status {status}, {size} bytes", others.longest_wait_ms
    )


async def _endless_chunks(house: House) -> Outcome:
    base = await _base(house)
    headers = {**_JSON, "Transfer-Encoding": "chunked"}
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    async with bystander(partial(_versions, base)) as others:
        answer = await send("POST", base + LOGIN_PATH, chunk * 50, headers)
    small = await send("POST", base + LOGIN_PATH, b"2\r\n{}\r\n0\r\n\r\n", headers)
    said = f"status {answer.status}"
    return Outcome(answer.status in {0, 413}, small.status == 400, said, others.longest_wait_ms)


# -- Half requests ----------------------------------------------------------------------------------------------------


async def _halves(begun: bytes, senders: int, house: House) -> Outcome:
    base = await _base(house)
    half = HalfRequests(base, begun)
    async with bystander(partial(_versions, base)) as others:
        for number in range(senders):
            await half.open(_HALVES // senders, source=own_address(f"half-{secrets.token_hex(4)}-{number}"))
        still = await half.count_open()
    whole = await send("GET", f"{base}/health")
    await half.close()
    stopped = still <= (200 if senders == 1 else _HALVES)
    return Outcome(stopped, whole.status == 200, f"{still} connections open", others.longest_wait_ms)


async def _drips(house: House) -> Outcome:
    base = await _base(house)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
    writer.write(b"GET /_matrix/client/versions HTTP/1.1\r\n")
    ended = False
    async with bystander(partial(_versions, base)) as others:
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(100):
                while not reader.at_eof():
                    writer.write(b"X-A: b\r\n")
                    await writer.drain()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(1), 0.5)
        ended = reader.at_eof() or writer.is_closing()
    writer.close()
    return Outcome(ended, True, "ended" if ended else "still open", others.longest_wait_ms)


# -- Limits that are filled for somebody else -------------------------------------------------------------------------


async def _sign_in(ready: Ready, user_id: str, client_id: str, key: ECKey, source: str) -> RawAnswer:
    body = key_proof(ready.homeserver, user_id, client_id=client_id, key=key)
    return await ask(
        "POST", ready.homeserver + LOGIN_PATH, source=source, body=json.dumps(body).encode(), headers=_JSON
    )


def _account(ready: Ready, name: str) -> tuple[str, str, ECKey]:
    key = read_private_key(Path(ready.keys[name]))
    if name == OPERATOR:
        return f"@{OPERATOR}:{ready.server_name}", OPERATOR, key
    practice = ready.practices[name]
    return str(practice["user_id"]), str(practice["telematik_id"]), key


async def _until_limited(attempt: Callable[[], Awaitable[RawAnswer]]) -> list[int]:
    """Tries until it is told to wait, as an attacker does."""
    statuses: list[int] = []
    while 429 not in statuses and len(statuses) < _MOST_ATTEMPTS:
        statuses.append((await attempt()).status)
    return statuses


async def _wrong_proofs(name: str, house: House) -> Outcome:
    ready = await _ready(house)
    user_id, client_id, key = _account(ready, name)
    stranger = secrets.token_hex(8)
    statuses = await _until_limited(lambda: _sign_in(ready, user_id, client_id, generate_private_key(), stranger))
    right = await _sign_in(ready, user_id, client_id, key, secrets.token_hex(8))
    return Outcome(statuses[-1] == 429 and 200 not in statuses, right.status == 200, f"then {right.status}")


async def _wrong_proofs_next_door(house: House) -> Outcome:
    ready = await _ready(house)
    shared = secrets.token_hex(8)
    user_id, client_id, _ = _account(ready, "sommer")
    wrong = [(await _sign_in(ready, user_id, client_id, generate_private_key(), shared)).status for _ in range(8)]
    right = await _sign_in(ready, *_account(ready, "winter"), shared)
    return Outcome(wrong[-1] in {403, 429}, right.status == 200, f"statuses {wrong}, then {right.status}")


async def _forged_origin(house: House) -> Outcome:
    base, victim = await _base(house), secrets.token_hex(8)
    forged = {**_JSON, "X-Forwarded-For": own_address(victim), "X-Forwarded-Proto": "https"}
    body = json.dumps({"type": "m.login.token", "token": "x"}).encode()
    attacker = secrets.token_hex(8)
    statuses = await _until_limited(lambda: ask("POST", base + LOGIN_PATH, source=attacker, body=body, headers=forged))
    served = await ask("POST", base + LOGIN_PATH, source=victim, body=body, headers=_JSON)
    return Outcome(statuses[-1] == 429, served.status == 403, f"the victim got {served.status}")


async def _guessed_tokens(house: House) -> Outcome:
    base, body = await _base(house), json.dumps({"type": "m.login.token", "token": "x"}).encode()
    stranger = secrets.token_hex(8)
    async with bystander(partial(_versions, base)) as others:
        statuses = await _until_limited(
            lambda: ask("POST", base + LOGIN_PATH, source=stranger, body=body, headers=_JSON)
        )
    once = await ask("POST", base + LOGIN_PATH, source=secrets.token_hex(8), body=body, headers=_JSON)
    return Outcome(statuses[-1] == 429, once.status == 403, f"{len(statuses)} attempts", others.longest_wait_ms)


async def _wrong_machine_proofs(house: House) -> Outcome:
    ready = await _ready(house)
    endpoint, stranger = ready.homeserver + HOMESERVER_TOKEN_PATH, secrets.token_hex(8)

    async def attempt(source: str, key: ECKey) -> RawAnswer:
        form = {
            "grant_type": GRANT_TYPE,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": make_assertion(key, client_id="bot", audience=endpoint, now=datetime.now(UTC)),
            "scope": "account:events",
        }
        return await ask("POST", endpoint, source=source, body=urlencode(form).encode(), headers=_FORM)

    statuses = await _until_limited(lambda: attempt(stranger, generate_private_key()))
    right = await attempt(secrets.token_hex(8), read_private_key(Path(ready.keys["bot"])))
    return Outcome(statuses[-1] == 429 and 200 not in statuses, right.status == 200, f"then {right.status}")


# -- Tokens and names -------------------------------------------------------------------------------------------------


async def _logout(base: str, token: str) -> RawAnswer:
    return await send("POST", base + _LOGOUT, f"logout_token={token}".encode(), _FORM)


async def _false_logout(made: Callable[[Ready], str], house: House) -> Outcome:
    ready = await _ready(house)
    log = Path(ready.log_dir) / "homeserver.log"
    before = log.read_text().count("Traceback")
    answers = [await _logout(ready.homeserver, made(ready)) for _ in range(5)]
    statuses = sorted({answer.status for answer in answers})
    quiet = log.read_text().count("Traceback") == before
    alive = (await send("GET", f"{ready.homeserver}/health")).status == 200
    return Outcome(statuses == [400] and quiet, alive, f"statuses {statuses}")


def _said(ready: Ready) -> dict[str, object]:
    return {"iss": ready.gesundheitsid, "aud": "homeserver", "sid": "x", "iat": int(datetime.now(UTC).timestamp())}


def _of_a_strangers_key(ready: Ready) -> str:
    return sign_statement(generate_private_key(), _said(ready))


def _without_end(_ready: Ready) -> str:
    return f"e30.{base64.urlsafe_b64encode(b'[' * 9000).decode().rstrip('=')}.AAAA"


async def _named_as_the_house(name: str, house: House) -> Outcome:
    ready = await _ready(house)

    async def make(called: str) -> int:
        body = {
            "telematik_id": f"1-2{secrets.randbelow(10**12):012d}",
            "display_name": called,
            "jwks": public_jwks(generate_private_key()),
            "active": True,
        }
        return (await machine_call(ready, "directory", "PUT", "homeserver:/v1/practices", body))[0]

    refused, made = await make(name), await make("Praxis Hekla")
    return Outcome(refused == 400, made == 200, f"status {refused}")


# -- Scripts and addresses in pages -----------------------------------------------------------------------------------


async def _return_address(path: str, address: str, house: House) -> Outcome:
    base = await _base(house)
    refused = await ask("GET", base + path + quote(address, safe=""), source=secrets.token_hex(8))
    client = await ask("GET", base + path + quote("im.fluffychat://login", safe=""), source=secrets.token_hex(8))
    return Outcome(refused.status == 400, client.status in {200, 302}, f"status {refused.status}")


_ADDRESSES = (
    (_REDIRECT, "javascript:alert(1)"),
    (_REDIRECT, "java\tscript:alert(1)"),
    (_REDIRECT, "data:text/html,<script>alert(1)</script>"),
    (_REDIRECT, "https://messenger.example@client.example/"),
    (_PICK, "vbscript:x"),
    (_PICK, "javascript:alert(1)"),
)


async def _policy(path: str, house: House) -> Outcome:
    base = await _base(house)
    answer = await ask("GET", base + path, source=secrets.token_hex(8))
    policy = answer.headers.get("content-security-policy", "")
    closed = "script-src 'none'" in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    return Outcome(closed, answer.headers.get("content-type", "").startswith("text/html"), policy[:200])


async def _script_in_a_browser(house: House) -> Outcome:
    """Whatever gets into a page of the homeserver's, a real browser does not run it; it shows the page all the same."""
    base = await _base(house)
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{base}{_PICK}{quote('https://client.example/', safe='')}")
        buttons = await page.locator("a.button").count()
        await page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "document.title = 'ran'";
              document.body.append(script);
              const link = document.createElement("a");
              link.href = "javascript:document.title='ran'";
              document.body.append(link);
              link.click();
            }"""
        )
        title = await page.title()
    return Outcome(title != "ran", buttons == 2, f"the page is called {title!r} and has {buttons} buttons")


# -- A cookie of somebody else's --------------------------------------------------------------------------------------


async def _foreign_callback(house: House) -> Outcome:
    """The way back from the provider, in a browser that never began the sign-in."""
    base = await _base(house)
    begun = await ask("GET", f"{base}{_REDIRECT.replace('?', '/oidc-gesundheitsid?')}https://a.example", source="begun")
    state = begun.headers.get("location", "").partition("state=")[2].partition("&")[0]
    cookie: SimpleCookie = SimpleCookie(begun.headers.get("set-cookie", ""))
    answer = await ask("GET", f"{base}/_synapse/client/oidc/callback?code=x&state={state}", source=secrets.token_hex(8))
    refused = answer.status == 400 and b"script" not in answer.body
    return Outcome(refused, begun.status == 302 and bool(cookie), f"status {answer.status}")


_ROWS: tuple[tuple[str, Kind, str, Callable[[House], Awaitable[Outcome]]], ...] = (
    *((f"{one.name}: homeserver", Kind.HEAVY_BODY, one.limit, partial(_heavy, one)) for one in _HEAVY),
    ("50,000 unknown fields in a machine's call", Kind.HEAVY_BODY, "20 faults are told", _unknown_fields),
    ("a body in pieces without an end", Kind.HEAVY_BODY, "64 KiB without a token", _endless_chunks),
    (
        "1,000 half heads from one address: homeserver",
        Kind.HALF_REQUEST,
        "200 connections an address, 10 s a head",
        partial(_halves, b"GET /_matrix/client/ver", 1),
    ),
    (
        "1,000 half bodies from ten addresses: homeserver",
        Kind.HALF_REQUEST,
        "30 s and 8 KiB a second for a body; those waited for longest make room",
        partial(_halves, request_head("POST", f"http://x{LOGIN_PATH}", {"Content-Length": "9"}), 10),
    ),
    ("a head that drips: homeserver", Kind.HALF_REQUEST, "10 s a head", _drips),
    (
        "wrong proofs for an administrator's account",
        Kind.FOREIGN_LIMIT,
        "counted by sender and account",
        partial(_wrong_proofs, OPERATOR),
    ),
    (
        "wrong proofs for a practice's account",
        Kind.FOREIGN_LIMIT,
        "counted by sender and account",
        partial(_wrong_proofs, "herbst"),
    ),
    (
        "wrong proofs for one practice from where others sign in",
        Kind.FOREIGN_LIMIT,
        "counted by sender and account",
        _wrong_proofs_next_door,
    ),
    (
        "wrong proofs for a machine's token",
        Kind.FOREIGN_LIMIT,
        "failures are counted by sender",
        _wrong_machine_proofs,
    ),
    (
        "a forged origin that fills somebody else's limit",
        Kind.FOREIGN_LIMIT,
        "only trusted proxies are believed",
        _forged_origin,
    ),
    ("guessed login tokens", Kind.FLOOD, "1 a second and 30 at once an address", _guessed_tokens),
    (
        "a logout token of a stranger's key",
        Kind.FALSE_PROOF,
        "refused; keys are fetched anew every 10 s at most",
        partial(_false_logout, _of_a_strangers_key),
    ),
    (
        "a logout token of 9,000 levels",
        Kind.FALSE_PROOF,
        "refused as unreadable",
        partial(_false_logout, _without_end),
    ),
    (
        "the provider's answer in another browser",
        Kind.FALSE_PROOF,
        "a cookie of the browser that began",
        _foreign_callback,
    ),
    *(
        (
            f"a practice called {spelled} at the homeserver",
            Kind.FALSE_NAME,
            "reserved names and their look-alikes",
            partial(_named_as_the_house, name),
        )
        for spelled, name in (("HEK Service", "HEK Service"), ("HEK with a Cyrillic letter", "\u041dEK"))
    ),
    *(
        (
            f"a sign-in that leads back to {address!r} ({'picker' if path is _PICK else 'redirect'})",
            Kind.SCRIPT,
            "addresses of the web and schemes of apps alone",
            partial(_return_address, path, address),
        )
        for path, address in _ADDRESSES
    ),
    *(
        (f"a script in {name}", Kind.SCRIPT, "a policy without scripts", partial(_policy, path))
        for name, path in (
            ("the page that offers providers", f"{_PICK}https://client.example"),
            ("the page of a failed sign-in", "/_synapse/client/oidc/callback?state=x"),
            ("the terms of use", "/_matrix/consent?v=1.0"),
        )
    ),
    (
        "a script in a real browser on the homeserver's page",
        Kind.SCRIPT,
        "a policy without scripts",
        _script_in_a_browser,
    ),
)
ATTACKS = tuple(
    Attack(name, Component.HOMESERVER, kind, limit, "nothing", attempt) for name, kind, limit, attempt in _ROWS
)
