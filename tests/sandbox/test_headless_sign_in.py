"""The way through ``m.login.sso`` without a browser: cookies, the form, and what a refused person reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from sandbox.headless_sign_in import RETURN_ADDRESS, SignInRefused, sign_in
from sandbox.people import Person, fresh_person
from sandbox.ports import HOST, keep_ports

FORM = """<html><head><title>Seite</title><style>p {{}}</style></head><body>{alert}
<form method="post" action="sign-in"><input type="hidden" name="request" value="r&amp;1">
<input name="person"><input name="pin"></form></body></html>"""
REFUSAL = (
    "<html><head><title>X</title></head><body><h1>Nicht möglich</h1><script>no()</script><p>Weil nicht.</p></body>"
)


class Homeserver:
    """Answers like Synapse behind OpenID Connect, with the provider's page on the same port."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.admits = True
        self.device_ids: list[object] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/_matrix/client/v3/login/sso/redirect/oidc-gesundheitsid", self.start)
        app.router.add_get("/idp/authorize", self.page)
        app.router.add_post("/idp/sign-in", self.enter)
        app.router.add_get("/callback", self.callback)
        app.router.add_post("/_matrix/client/v3/login", self.login)
        return app

    async def start(self, request: web.Request) -> web.Response:
        assert request.query["redirectUrl"] == RETURN_ADDRESS
        answer = web.Response(status=302, headers={"Location": "/idp/authorize"})
        answer.set_cookie("session", "s1", secure=True, httponly=True, samesite="None")
        return answer

    async def page(self, _request: web.Request) -> web.Response:
        return web.Response(text=FORM.format(alert=""), content_type="text/html")

    async def enter(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert (form["request"], form["person"]) == ("r&1", self.person.name)
        if form["pin"] != self.person.pin:
            text = FORM.format(alert='<p role="alert">Falsche <b>PIN</b>.</p><p>Sonstiges</p>')
            return web.Response(text=text, status=422, content_type="text/html")
        return web.Response(status=303, headers={"Location": "/callback"})

    async def callback(self, request: web.Request) -> web.Response:
        if request.cookies.get("session") != "s1":
            return web.Response(text="<p>No session cookie found</p>", status=400, content_type="text/html")
        if not self.admits:
            return web.Response(text=REFUSAL, status=400, content_type="text/html")
        return web.Response(status=302, headers={"Location": f"{RETURN_ADDRESS}?loginToken=t1"})

    async def login(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert (body["type"], body["token"]) == ("m.login.token", "t1")
        self.device_ids.append(body.get("device_id"))
        return web.json_response({"user_id": "@v:x", "access_token": "secret", "device_id": "D"})


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[tuple[str, Homeserver]]:
    """The stand-in on a port of its own."""
    homeserver = Homeserver(fresh_person("Erika"))
    port = keep_ports(["hs"], tmp_path / "ports.json")["hs"]
    runner = web.AppRunner(homeserver.application(), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    yield f"http://{HOST}:{port}", homeserver
    await runner.cleanup()


async def test_the_session_cookie_is_carried_although_it_is_marked_secure(running: tuple[str, Homeserver]) -> None:
    base, homeserver = running
    signed_in = await sign_in(base, homeserver.person, "PHONE")
    assert (signed_in.user_id, signed_in.access_token, signed_in.device_id) == ("@v:x", "secret", "D")
    assert homeserver.device_ids == ["PHONE"]


async def test_the_homeserver_chooses_a_device_if_none_is_named(running: tuple[str, Homeserver]) -> None:
    base, homeserver = running
    await sign_in(base, homeserver.person)
    assert homeserver.device_ids == [None]


async def test_a_refusal_is_told_as_the_person_reads_it(running: tuple[str, Homeserver]) -> None:
    base, homeserver = running
    homeserver.admits = False
    with pytest.raises(SignInRefused) as refusal:
        await sign_in(base, homeserver.person)
    assert str(refusal.value) == "Nicht möglich Weil nicht."
    assert homeserver.device_ids == []


async def test_of_a_form_that_is_shown_again_only_what_is_wrong_is_told(running: tuple[str, Homeserver]) -> None:
    base, homeserver = running
    wrong = "000000" if homeserver.person.pin != "000000" else "111111"
    with pytest.raises(SignInRefused) as refusal:
        await sign_in(base, homeserver.person, pin=wrong)
    assert str(refusal.value) == "Falsche PIN ."
