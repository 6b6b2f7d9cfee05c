"""After a lock: every path that the running Synapse answers is tried with everything that a session had.

The paths are taken from the resource trees of the running processes. Each is tried with the old access token and must
be refused with 401, but for those in ``ASKS_NOBODY``, which answer the same to everybody; so that a path that a new
Synapse brings either refuses, or fails here until somebody has looked at it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from tests.synapse_modules import registered_paths
from tests.synapse_modules.homeserver_under_test import Homeserver
from tests.synapse_modules.session_to_lock import (
    DELAYED,
    PushGateway,
    Session,
    call,
    lock,
    open_session,
    running_push_gateway,
    undo,
)
from tests.synapse_modules.workers_under_test import HomeserverWithWorkers

_PREFIX = re.compile(r"^\^?/_matrix/client/(?:\([^)]*\)|v1|v3|unstable)")
_ALIVE = {("POST", "/logout"), ("POST", "/logout/all")}

# Synapse answers these on its main process alone, and a worker says so before it asks who calls.
_NOT_ON_A_WORKER = {("DELETE", "/(?P<path>pushrules/.*)"), ("PUT", "/(?P<path>pushrules/.*)")}
# What looks further if it is not told who asks, with what it says then.
_WITHOUT_TOKEN = {
    ("POST", "/register"): (403, "M_FORBIDDEN"),
    ("POST", "/account/password"): (401, None),
    ("GET", "^/_matrix/federation/v1/openid/userinfo"): (401, "M_MISSING_TOKEN"),
    ("GET", "/tim-information"): (403, None),
    ("GET", "/im.nheko.summary/rooms/(?P<room_identifier>[^/]*)/summary"): (404, "M_NOT_FOUND"),
    ("GET", "/im.nheko.summary/summary/(?P<room_identifier>[^/]*)"): (404, "M_NOT_FOUND"),
    ("GET", "/room_summary/(?P<room_identifier>[^/]*)"): (404, "M_NOT_FOUND"),
}
# What takes no access token at all, with what it says if it is given one.
_WITH_TOKEN = {
    ("POST", "/register"): (400, "M_UNKNOWN"),
    ("GET", "^/_matrix/federation/v1/openid/userinfo"): (403, "M_FORBIDDEN"),
    ("GET", "/tim-information"): (403, None),
}

# What asks nobody who he is, with its answer: about the server, or a step of a sign-in that has its own checks.
ASKS_NOBODY: dict[tuple[str, str], int] = {
    ("GET", "/health"): 200,
    ("GET", "^/_matrix/client/versions"): 200,
    ("GET", "/.well-known/matrix/client"): 200,
    ("GET", "/.well-known/matrix/server"): 404,
    ("GET", "/.well-known/matrix/support"): 200,
    ("GET", "/_matrix/static"): 302,
    ("GET", "/password_policy"): 200,
    ("GET", "/_matrix/consent"): 200,
    ("GET", "^/_synapse/admin/v1/server_version"): 200,
    # Signing in, step by step: the tests below go the whole way with the old tokens.
    ("GET", "/login"): 200,
    ("POST", "/login"): 400,
    ("POST", "/refresh"): 400,
    ("POST", "/tokenrefresh"): 403,
    ("GET", "/login/(cas|sso)/redirect"): 302,
    ("GET", "/login/sso/redirect/(?P<idp_id>[A-Za-z0-9_.~-]+)"): 302,
    ("GET", r"/auth/(?P<stagetype>[\w\.]*)/fallback/web"): 400,
    ("POST", r"/auth/(?P<stagetype>[\w\.]*)/fallback/web"): 400,
    ("GET", "/_synapse/client/oidc/callback"): 400,
    ("GET", "/_synapse/client/oidc/backchannel_logout"): 405,
    ("GET", "/_synapse/client/new_user_consent"): 400,
    ("GET", "/_synapse/client/pick_idp"): 400,
    ("GET", "/_synapse/client/pick_username/account_details"): 400,
    ("GET", "/_synapse/client/pick_username/check"): 400,
    ("GET", "/_synapse/client/sso_register"): 400,
    # Registering, passwords, mail addresses and telephone numbers: switched off for everybody.
    ("GET", "/register/available"): 403,
    ("GET", "/register/m.login.registration_token/validity"): 403,
    ("POST", "/register/email/requestToken"): 400,
    ("POST", "/register/msisdn/requestToken"): 400,
    ("GET", "/registration/(?P<medium>[^/]*)/submit_token"): 400,
    ("GET", "^/_synapse/admin/v1/register"): 200,
    ("POST", "^/_synapse/admin/v1/register"): 400,
    ("POST", "/account/password/email/requestToken"): 400,
    ("GET", "/pushers/remove"): 400,
    ("POST", "/account/3pid"): 400,
    ("POST", "/account/3pid/add"): 400,
    ("POST", "/account/3pid/delete"): 400,
    ("POST", "/account/3pid/email/requestToken"): 400,
    ("POST", "/account/3pid/msisdn/requestToken"): 400,
    ("GET", "/add_threepid/email/submit_token"): 400,
    ("POST", "/add_threepid/msisdn/submit_token"): 400,
    ("GET", "/account_validity/renew"): 400,
    ("GET", "/_synapse/client/unsubscribe"): 400,
    # Rooms by their address or id: no account is named. Files by their address: none is served without a token.
    ("GET", "/directory/room/(?P<room_alias>[^/]*)"): 404,
    ("GET", "/directory/list/room/(?P<room_id>[^/]*)"): 200,
    ("GET", "/_synapse/client/media_upload_limit_exceeded"): 200,
    (
        "GET",
        "/_matrix/media/(r0|v3|v1)/download/(?P<server_name>[^/]*)/(?P<media_id>[^/]*)(/(?P<file_name>[^/]*))?",
    ): 404,
    ("GET", "/_matrix/media/(r0|v3|v1)/thumbnail/(?P<server_name>[^/]*)/(?P<media_id>[^/]*)"): 404,
    # The OAuth API: what it is, and the steps of its sign-in (tests/synapse_modules/oauth).
    ("GET", "/auth_metadata"): 200,
    ("GET", r"/org\.matrix\.msc2965/auth_metadata"): 200,
    ("GET", "/_synapse/client/sign_in"): 404,
    # The machine API takes tokens of its own.
    ("GET", "/_synapse/client/hek"): 404,
    ("GET", registered_paths.PATH): 200,
}


@dataclass(frozen=True)
class Attempt:
    """One method of one registered path, filled with what the session had."""

    method: str
    pattern: str
    address: str
    body: object | None

    @property
    def key(self) -> tuple[str, str]:
        return self.method, _short(self.pattern)


def _short(pattern: str) -> str:
    return _PREFIX.sub("", pattern).removesuffix("$")


def _filled(pattern: str, session: Session) -> str:
    """A path that the pattern matches: the first of its alternatives, its groups with what the session had."""
    server_name = session.user_id.partition(":")[2]
    named = {
        "room_id": session.room,
        "room_identifier": session.room,
        "room_alias": f"#x:{server_name}",
        "user_id": session.user_id,
        "target_user_id": session.user_id,
        "event_id": session.event,
        "parent_id": session.event,
        "thread_root_id": session.event,
        "device_id": session.device.device_id,
        "delay_id": session.delay_ids[0],
        "server_name": server_name,
        "path": "pushrules/",
        "idp_id": "oidc-gesundheitsid",
    }

    def group(found: re.Match[str]) -> str:
        name, inner = found[1], found[2]
        fixed = re.fullmatch(r"[\w|]+", inner)
        value = inner.partition("|")[0] if fixed else named.get(name, "x")
        return value if name == "path" else quote(value, safe="")

    path = pattern.removeprefix("^").removesuffix("$")
    path = re.sub(r"\(\?P<(\w+)>([^()]*)\)", group, path)
    path = re.sub(r"\(([^()?|]+)\|[^()]*\)", r"\1", path)
    while (shorter := re.sub(r"\((/[^()]*)\)\?", r"\1", path)) != path:
        path = shorter
    path = path.replace("\\.", ".")
    assert re.match(pattern, path), f"{pattern} cannot be tried: say in this function how it is filled"
    return path


def _details(method: str, path: str, session: Session) -> tuple[str, object | None]:
    """The query and the body that some calls want before they ask who calls."""
    body: dict[str, Any] | None = {} if method in {"POST", "PUT"} else None
    if "/directory/room/" in path and method == "PUT":
        return "", {"room_id": session.room}
    match path.rpartition("/")[2]:
        case "mutual_rooms":
            return f"?user_id={quote(session.practice.user_id)}", body
        case "redirect" | "oidc-gesundheitsid":
            return "?redirectUrl=http%3A%2F%2Flocalhost%2Fsigned-in", body
        case "dehydrated_device" if method == "PUT":
            return "", {"device_id": "X", "device_data": {"algorithm": "x"}, "initial_device_display_name": "x"}
        case "thumbnail" | "x" if "/thumbnail/" in path:
            return "?width=10&height=10", body
        case "bind":
            names = ("client_secret", "id_access_token", "id_server", "sid")
            return "", dict.fromkeys(names, "x")
        case last if last == session.delay_ids[0] and method == "POST":
            return "", {"action": "send"}
    return "", body


async def _attempts(view: Homeserver, session: Session) -> list[Attempt]:
    _, registered = await call(view, None, "GET", registered_paths.PATH)
    found = []
    for one in registered:
        path = _filled(one["pattern"], session)
        for method in one["methods"] or ["GET"]:
            if view.calls_to and (method, _short(one["pattern"])) in _NOT_ON_A_WORKER:
                continue
            query, body = _details(method, path, session)
            found.append(Attempt(method, one["pattern"], path + query, body))
    return found


@pytest.fixture(scope="module")
def gateway() -> Iterator[PushGateway]:
    with running_push_gateway() as running:
        yield running


@pytest.fixture(scope="module")
def session(workers: HomeserverWithWorkers, gateway: PushGateway) -> Session:
    """A session whose person was locked through a worker."""

    async def open_and_lock() -> Session:
        session = await open_session(workers, gateway)
        await lock(workers.views["worker2"], session.kvnr)
        return session

    return asyncio.run(open_and_lock())


def _is_fine(attempt: Attempt, status: int, answer: Any, *, with_token: bool) -> bool:
    if attempt.key in ASKS_NOBODY:
        return status == ASKS_NOBODY[attempt.key]
    got = (status, (answer or {}).get("errcode"))
    if "/delayed_events/" in attempt.pattern and not with_token:
        # Whoever knows the id may act without a token: it is as if there were no such event.
        return got in {(404, "M_NOT_FOUND"), (401, "M_MISSING_TOKEN")}
    refused = (401, "M_USER_LOCKED" if with_token else "M_MISSING_TOKEN")
    return got == (_WITH_TOKEN if with_token else _WITHOUT_TOKEN).get(attempt.key, refused)


@pytest.mark.parametrize("process", ["main", "worker1"])
async def test_no_path_answers_the_old_access_token(
    workers: HomeserverWithWorkers, session: Session, process: str
) -> None:
    view = workers.views[process]
    attempts = await _attempts(view, session)
    wrong = []
    for attempt in attempts:
        if attempt.key not in _ALIVE:
            status, answer = await call(view, session.device, attempt.method, attempt.address, attempt.body)
            if not _is_fine(attempt, status, answer, with_token=True):
                wrong.append((*attempt.key, status, answer))
    assert not wrong, "\n".join(map(str, wrong))
    # The tree was walked indeed: Synapse 1.163 registers 271 paths on the main process and 106 on a worker.
    assert len({attempt.pattern for attempt in attempts}) > (200 if process == "main" else 90)


@pytest.mark.parametrize("process", ["main", "worker1"])
async def test_no_path_tells_somebody_without_a_token_anything(
    workers: HomeserverWithWorkers, session: Session, process: str
) -> None:
    view = workers.views[process]
    wrong = []
    for attempt in await _attempts(view, session):
        status, answer = await call(view, None, attempt.method, attempt.address, attempt.body)
        if not _is_fine(attempt, status, answer, with_token=False):
            wrong.append((*attempt.key, status, answer))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("process", ["main", "worker1"])
async def test_no_other_token_from_before_is_honoured(
    workers: HomeserverWithWorkers, session: Session, process: str
) -> None:
    view = workers.views[process]
    refresh = {"refresh_token": session.refresh_token}
    if process == "main":  # the only process of Synapse's that answers it
        status, answer = await call(view, None, "POST", "/_matrix/client/v3/refresh", refresh)
        assert (status, answer["errcode"]) == (401, "M_USER_LOCKED")
    login = {"type": "m.login.token", "token": session.login_tokens.pop()}
    status, answer = await call(view, None, "POST", "/_matrix/client/v3/login", login)
    assert (status, answer["errcode"]) == (401, "M_USER_LOCKED")
    # The listeners of workers do not have it.
    openid = f"/_matrix/federation/v1/openid/userinfo?access_token={session.openid_token}"
    status, answer = await call(workers, None, "GET", openid)
    assert (status, answer["errcode"]) == (401, "M_UNKNOWN_TOKEN")


@pytest.mark.parametrize("action", ["send", "restart", "cancel"])
async def test_a_delayed_event_cannot_be_touched_by_who_knows_its_id(
    workers: HomeserverWithWorkers, session: Session, action: str
) -> None:
    for who in (None, session.practice):
        for path, body in (
            (f"{DELAYED}/{session.delay_ids[1]}/{action}", {}),
            (f"{DELAYED}/{session.delay_ids[1]}", {"action": action}),
        ):
            status, answer = await call(workers, who, "POST", path, body)
            assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")
    rows = workers.rows("SELECT count(*) FROM delayed_events WHERE delay_id = ?", session.delay_ids[1])
    assert rows == [(1,)]


async def test_signing_out_is_all_that_is_left(workers: HomeserverWithWorkers, gateway: PushGateway) -> None:
    session = await open_session(workers, gateway)
    await lock(workers, session.kvnr)
    assert (await workers.call(session.device, "POST", "/logout", {}))[0] == 200
    await undo(workers, session.kvnr)
    status, answer = await workers.call(session.device, "GET", "/account/whoami")
    assert (status, answer["errcode"]) == (401, "M_UNKNOWN_TOKEN")
