"""What one request may bring along."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from pydantic import Field

from messenger_core.http_limits import LARGE_BODY_BYTES, LONGEST_ADDRESS, MOST_FIELDS, SMALL_BODY_BYTES, body_limit
from messenger_core.http_service import new_application, new_runner, read_form
from messenger_core.problem import MOST_ERRORS, MOST_MEMBERS, Problem, WireModel, parse_body


class _Body(WireModel):
    names: tuple[str, ...] = Field(default=(), strict=False)


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def small(request: web.Request) -> web.Response:
        return web.json_response({"fields": len(await read_form(request))})

    @body_limit(LARGE_BODY_BYTES)
    async def large(request: web.Request) -> web.Response:
        return web.json_response({"names": len(parse_body(_Body, await request.read()).names)})

    app = new_application()
    app.router.add_post("/small", small)
    app.router.add_post("/large", large)
    runner = new_runner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site.port}"
    await runner.cleanup()


async def _post(server: str, path: str, body: bytes, kind: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as http:
        headers = {"Content-Type": kind}
        async with http.post(server + path, data=body, headers=headers) as answer:
            return answer.status, await answer.read()


_FORM = "application/x-www-form-urlencoded"


async def test_a_body_has_so_many_bytes_by_route(server: str) -> None:
    assert (await _post(server, "/small", b"a=" + b"x" * (SMALL_BODY_BYTES - 2), _FORM))[0] == 200
    assert (await _post(server, "/small", b"a=" + b"x" * (SMALL_BODY_BYTES - 1), _FORM))[0] == 413
    space = b" " * (LARGE_BODY_BYTES - 2)
    assert (await _post(server, "/large", b"{" + space + b"}", "application/json"))[0] == 200
    assert (await _post(server, "/large", b"{ " + space + b"}", "application/json"))[0] == 413


async def test_a_form_has_so_many_fields(server: str) -> None:
    def fields(count: int) -> bytes:
        return b"&".join(b"f%d=1" % number for number in range(count))

    assert await _post(server, "/small", fields(MOST_FIELDS), _FORM) == (200, b'{"fields": 200}')
    status, body = await _post(server, "/small", fields(MOST_FIELDS + 1), _FORM)
    assert (status, len(body) < 1_000) == (413, True)
    status, _ = await _post(server, "/small", b"a&" * (SMALL_BODY_BYTES // 2), _FORM)
    assert status == 413


async def test_an_address_has_so_many_characters(server: str) -> None:
    async with aiohttp.ClientSession() as http:
        for length, status in ((LONGEST_ADDRESS, 404), (LONGEST_ADDRESS + 1, 414)):
            async with http.get(server + ("/" + "x" * (length - 1))) as answer:
                assert answer.status == status


async def test_a_body_of_unknown_fields_gets_a_short_answer(server: str) -> None:
    many = json.dumps({f"f{number}": 1 for number in range(MOST_MEMBERS - 1)}).encode()
    status, body = await _post(server, "/large", many, "application/json")
    assert (status, len(json.loads(body)["errors"])) == (400, MOST_ERRORS)
    assert len(body) < 20_000
    more = json.dumps({f"f{number}": 1 for number in range(MOST_MEMBERS + 1)}).encode()
    status, body = await _post(server, "/large", more, "application/json")
    assert (status, json.loads(body)["type"]) == (400, "urn:hek-messenger:problem:too-many-members")
    assert await _post(server, "/large", b'{"names": ["a", "b"]}', "application/json") == (200, b'{"names": 2}')


@pytest.mark.parametrize("body", [b"[" * 15_000 + b"]" * 15_000, b'{"a":' * 15_000 + b"1" + b"}" * 15_000])
def test_a_deeply_nested_body_is_malformed(body: bytes) -> None:
    with pytest.raises(Problem) as fault:
        parse_body(_Body, body)
    assert (fault.value.status, fault.value.slug) == (400, "malformed-json")


def test_a_long_field_and_a_long_fault_are_told_in_short() -> None:
    with pytest.raises(Problem) as fault:
        parse_body(_Body, json.dumps({"x" * 100_000: 1}).encode())
    assert len(str(fault.value.body())) < 1_000
