"""Service-to-service sign-in, over real HTTP: what is granted, and a table of everything that is refused."""

import base64
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey
from sqlalchemy.ext.asyncio import create_async_engine

from messenger_core.database import UsedStatements, used_statements_table
from messenger_core.http_service import GuardedRoutes, new_application
from messenger_core.service_auth.assertions import make_assertion, sign_statement
from messenger_core.service_auth.client import CallFailed, ServiceClient
from messenger_core.service_auth.keys import (
    generate_private_key,
    parse_jwks,
    public_jwks,
    read_private_key,
    write_private_key,
)
from messenger_core.service_auth.token_grant import ASSERTION_TYPE, Caller, Client, TokenAuthority
from messenger_core.settings import SettingsError
from sandbox.ports import reserve_port

KEY = generate_private_key()
OWN_KEY = generate_private_key()


class OneClient:
    async def find_client(self, client_id: str) -> Client | None:
        keys = parse_jwks(public_jwks(KEY))
        return Client("tester", keys, frozenset({"read", "write"})) if client_id == "tester" else None


@dataclass
class Service:
    url: str

    @property
    def token_endpoint(self) -> str:
        return f"{self.url}/oauth2/token"

    def client(self, key: ECKey = KEY, client_id: str = "tester") -> ServiceClient:
        return ServiceClient(client_id=client_id, key=key, base_url=self.url, token_endpoint=self.token_endpoint)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A real server with one route that needs the scope ``read``."""
    metadata = sa.MetaData()
    used = used_statements_table(metadata)
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/used.db")
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    app = new_application()
    url = f"http://127.0.0.1:{reserve_port()}"
    authority = TokenAuthority(url, f"{url}/oauth2/token", OWN_KEY)
    routes = GuardedRoutes(app, authority, OneClient(), UsedStatements(engine, used))

    async def whoami(_request: web.Request, caller: Caller) -> web.Response:
        return web.json_response({"client": caller.client_id})

    async def fails(_request: web.Request, _caller: Caller) -> web.Response:
        raise RuntimeError("the text of a message")

    routes.add("GET", "/whoami", "read", whoami)
    routes.add("GET", "/fails", "read", fails)
    server = TestServer(app, port=int(url.rpartition(":")[2]))
    await server.start_server(access_log=None)
    yield Service(url)
    await server.close()
    await engine.dispose()


async def test_a_caller_with_its_key_is_let_in(service: Service) -> None:
    async with service.client() as client:
        assert await client.call("GET", "/whoami", scope="read") == {"client": "tester"}


async def test_a_token_of_another_scope_is_refused(service: Service) -> None:
    async with service.client() as client:
        status, body = await client.answer("GET", "/whoami", scope="write")
    assert status == 403
    assert body["type"] == "urn:hek-messenger:problem:insufficient-scope"


async def test_an_inner_fault_is_a_problem_that_tells_nothing(service: Service) -> None:
    async with service.client() as client:
        status, body = await client.answer("GET", "/fails", scope="read")
    assert status == 500
    assert "message" not in str(body)


async def test_an_unknown_path_is_a_problem(service: Service) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{service.url}/nowhere") as answer:
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer x", "Basic eA==", "Bearer a.b.c"])
async def test_a_missing_or_broken_token_is_refused(service: Service, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    async with aiohttp.ClientSession() as http, http.get(f"{service.url}/whoami", headers=headers) as answer:
        assert answer.status == 401
        assert "Bearer" in answer.headers["WWW-Authenticate"]


async def test_a_token_signed_by_somebody_else_is_refused(service: Service) -> None:
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": service.url, "aud": service.url, "sub": "tester", "scope": "read", "iat": now, "exp": now + 60}
    token = sign_statement(KEY, {**claims, "jti": "1"})
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as http, http.get(f"{service.url}/whoami", headers=headers) as answer:
        assert answer.status == 401


async def ask(service: Service, **changed: str) -> tuple[int, dict[str, Any]]:
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": make_assertion(
            KEY, client_id="tester", audience=service.token_endpoint, now=datetime.now(UTC)
        ),
        "scope": "read",
    }
    async with aiohttp.ClientSession() as http, http.post(service.token_endpoint, data=form | changed) as answer:
        return answer.status, await answer.json()


async def test_an_assertion_is_used_once(service: Service) -> None:
    assertion = make_assertion(KEY, client_id="tester", audience=service.token_endpoint, now=datetime.now(UTC))
    assert (await ask(service, client_assertion=assertion))[0] == 200
    status, body = await ask(service, client_assertion=assertion)
    assert status == 401
    assert "jti" in body["error_description"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_assertion_type": "x"}, "invalid_request"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "read write"}, "invalid_scope"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"client_assertion": ""}, "invalid_client"),
        ({"client_assertion": "a.b.c"}, "invalid_client"),
        ({"client_assertion": "ä"}, "invalid_client"),
    ],
)
async def test_a_wrong_token_request_is_refused(service: Service, changed: dict[str, str], error: str) -> None:
    status, body = await ask(service, **changed)
    assert (status, body["error"]) == (401 if error == "invalid_client" else 400, error)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded; charset=bogus", b"grant_type=x"),
        ("application/x-www-form-urlencoded", b"grant_type=\xff\xfe&scope=%ff"),
        ("application/x-www-form-urlencoded", b""),
    ],
)
async def test_a_body_that_is_no_form_is_a_bad_request(service: Service, content_type: str, body: bytes) -> None:
    headers = {"Content-Type": content_type}
    async with aiohttp.ClientSession() as http, http.post(service.token_endpoint, data=body, headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"] in {"invalid_request", "unsupported_grant_type"}


async def test_a_deeply_nested_assertion_is_refused(service: Service) -> None:
    nested = base64.urlsafe_b64encode(b"[" * 40_000).decode()
    status, body = await ask(service, client_assertion=f"a.{nested}.b")
    assert (status, body["error"]) == (401, "invalid_client")


async def test_an_own_signature_of_another_purpose_is_no_access_token(service: Service) -> None:
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": service.url, "aud": service.url, "sub": "tester", "scope": "read", "iat": now, "exp": now + 60}
    for token_type, status in (("at+jwt", 200), ("search+jwt", 401)):
        token = sign_statement(OWN_KEY, {**claims, "jti": "1"}, token_type=token_type)
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession() as http, http.get(f"{service.url}/whoami", headers=headers) as answer:
            assert answer.status == status


def claims_at(service: Service, moment: datetime, **changed: object) -> dict[str, Any]:
    issued = int(moment.timestamp())
    claims: dict[str, Any] = {
        "iss": "tester",
        "sub": "tester",
        "aud": service.token_endpoint,
        "iat": issued,
        "exp": issued + 60,
        "jti": secrets.token_hex(8),
    }
    return {key: value for key, value in (claims | changed).items() if value is not None}


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "stranger"},
        {"sub": "stranger"},
        {"sub": None},
        {"aud": "https://elsewhere.example/oauth2/token"},
        {"aud": None},
        {"exp": None},
        {"iat": None},
        {"iat": "now"},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 300},
        {"jti": "nul\0"},
        {"exp": 10**12},
    ],
)
async def test_wrong_claims_are_refused(service: Service, changed: dict[str, object]) -> None:
    assertion = sign_statement(KEY, claims_at(service, datetime.now(UTC), **changed))
    status, body = await ask(service, client_assertion=assertion)
    assert (status, body["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("off", [timedelta(minutes=-5), timedelta(minutes=5)])
async def test_an_assertion_of_another_time_is_refused(service: Service, off: timedelta) -> None:
    assertion = sign_statement(KEY, claims_at(service, datetime.now(UTC) + off))
    assert (await ask(service, client_assertion=assertion))[0] == 401


async def test_other_algorithms_are_refused(service: Service) -> None:
    claims = claims_at(service, datetime.now(UTC))
    secret = OctKey.import_key(secrets.token_bytes(32))
    assert (await ask(service, client_assertion=jwt.encode({"alg": "HS256"}, claims, secret)))[0] == 401
    head, body, _ = sign_statement(KEY, claims).split(".")
    unsigned = "eyJhbGciOiJub25lIn0"
    assert (await ask(service, client_assertion=f"{unsigned}.{body}."))[0] == 401
    assert (await ask(service, client_assertion=f"{head}.{body}."))[0] == 401


async def test_a_client_with_another_key_is_told_so(service: Service) -> None:
    async with service.client(key=generate_private_key()) as client:
        with pytest.raises(CallFailed, match="invalid_client"):
            await client.call("GET", "/whoami", scope="read")


async def test_a_service_that_is_down_is_told(service: Service) -> None:
    client = ServiceClient(client_id="tester", key=KEY, base_url=service.url, token_endpoint="http://127.0.0.1:9/x")
    async with client:
        with pytest.raises(CallFailed, match="no answer"):
            await client.call("GET", "/whoami", scope="read")


def test_a_private_key_file_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.jwk"
    write_private_key(KEY, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_private_key(path).thumbprint() == KEY.thumbprint()
    with pytest.raises(FileExistsError):
        write_private_key(KEY, path)


def test_a_published_key_set_never_holds_the_private_part() -> None:
    assert "d" not in public_jwks(KEY)["keys"][0]
    with pytest.raises(ValueError, match="private"):
        parse_jwks({"keys": [KEY.as_dict(private=True)]})


@pytest.mark.parametrize("value", [None, {}, {"keys": []}, {"keys": [1]}, {"keys": [{"kty": "oct", "k": "eA"}]}])
def test_what_is_no_key_set_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        parse_jwks(value)


def test_a_broken_key_file_is_named_without_its_content(tmp_path: Path) -> None:
    path = tmp_path / "key.jwk"
    path.write_text('{"kty": "EC", "d": "c2VjcmV0"}')
    with pytest.raises(SettingsError, match=r"key\.jwk") as refusal:
        read_private_key(path)
    assert "c2VjcmV0" not in str(refusal.value)


def test_a_key_set_accepts_only_its_own_keys() -> None:
    keys = parse_jwks(public_jwks(KEY, OWN_KEY))
    assert isinstance(keys, KeySet)
    assert len(keys.keys) == 2
