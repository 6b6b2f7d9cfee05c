"""What a lock closes beside requests, and what an undo gives back: on a main process and workers, over HTTP."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sandbox import headless_sign_in
from sandbox.encrypted_client import run_client
from tests.synapse_modules.homeserver_under_test import OPERATOR, Homeserver, SignedIn, SignInRefused, claims, new_kvnr
from tests.synapse_modules.session_to_lock import (
    PushGateway,
    Session,
    call,
    delayed_event,
    lock,
    open_session,
    running_push_gateway,
    undo,
)
from tests.synapse_modules.workers_under_test import HomeserverWithWorkers

_POLL_MS = 60_000
# A poll that was not ended would come back after a minute.
_ENDS_WITHIN_S = 20
_SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"


@pytest.fixture(scope="module")
def gateway() -> Iterator[PushGateway]:
    with running_push_gateway() as running:
        yield running


class _Poll:
    """One of a client's ways of waiting for what comes next; asks again until it is refused."""

    def __init__(self, view: Homeserver, who: SignedIn, method: str, path: str, position: str, body: object = None):
        self._view = view
        self._who = who
        self._method = method
        self._path = path
        # The names of the position in the query and in the answer.
        self._asked, self._answered = position.split("=")
        self._body = body
        self.answers: list[tuple[int, Any]] = []

    async def run(self) -> None:
        query = "timeout=0"
        while not self.answers or self.answers[-1][0] == 200:
            path = f"{self._path}?set_presence=offline&{query}"
            self.answers.append(await call(self._view, self._who, self._method, path, self._body))
            position = self.answers[-1][1].get(self._answered, "")
            query = f"timeout={_POLL_MS}&{self._asked}={quote(position)}"


async def _member_name(workers: HomeserverWithWorkers, session: Session) -> str:
    event = await workers.state(session.practice, session.room, f"m.room.member/{quote(session.user_id)}")
    return str(event["displayname"])


async def _sent(workers: HomeserverWithWorkers, session: Session) -> str:
    status, answer = await workers.send(session.practice, session.room)
    assert status == 200, answer
    return str(answer["event_id"])


async def _answers_everywhere(workers: HomeserverWithWorkers, session: Session, status: int) -> None:
    """Returns when every process knows of a lock, or of its end; ``benchmarks/lock_latency.py`` says how soon."""
    for view in workers.views.values():

        async def knows(view: Homeserver = view) -> bool:
            return (await view.call(session.device, "GET", "/account/whoami"))[0] == status

        await workers.until_async(knows, within_s=50)


async def _lock_from_elsewhere(workers: HomeserverWithWorkers, _view: Homeserver, session: Session) -> None:
    await lock(workers.views["worker2"], session.kvnr)


async def _name_other_insurer(_workers: HomeserverWithWorkers, view: Homeserver, session: Session) -> None:
    """Signs in, at the process that is meant, with a GesundheitsID of another insurer."""
    moved = claims(session.kvnr) | {"urn:telematik:claims:organization": "109519005"}
    with pytest.raises(SignInRefused):
        await view.sign_in(moved)


@pytest.mark.parametrize("locked_by", [_lock_from_elsewhere, _name_other_insurer])
@pytest.mark.parametrize("process", ["main", "worker1"])
async def test_open_polls_end_at_once_and_without_content(
    workers: HomeserverWithWorkers,
    gateway: PushGateway,
    process: str,
    locked_by: Callable[[HomeserverWithWorkers, Homeserver, Session], Awaitable[None]],
) -> None:
    """Also those in the process itself in which the lock is made."""
    session, view = await open_session(workers, gateway), workers.views[process]
    window = {"lists": {"all": {"ranges": [[0, 10]], "required_state": [], "timeline_limit": 5}}}
    polls = [
        _Poll(view, session.device, "GET", "/_matrix/client/v3/sync", "since=next_batch"),
        _Poll(view, session.device, "POST", _SLIDING, "pos=pos", window),
        _Poll(view, session.device, "GET", "/_matrix/client/v3/events", "from=end"),
    ]
    running = asyncio.gather(*(poll.run() for poll in polls))
    # Until all of them wait: none has come back for a while.
    counts: list[int] = []
    for _ in range(30):
        await asyncio.sleep(1)
        before, counts = counts, [len(poll.answers) for poll in polls]
        if before == counts and 0 not in counts:
            break
    await locked_by(workers, view, session)
    await asyncio.wait_for(running, _ENDS_WITHIN_S)
    assert [len(poll.answers) for poll in polls] == [count + 1 for count in counts]
    for poll in polls:
        status, answer = poll.answers[-1]
        assert (status, answer["errcode"]) == (401, "M_USER_LOCKED")
        assert answer.keys() <= {"errcode", "error", "soft_logout"}
    name = f"m.room.member/{quote(session.user_id)}"

    async def is_marked() -> bool:
        return "nicht mehr" in (await workers.state(session.practice, session.room, name)).get("displayname", "")

    await workers.until_async(is_marked, within_s=_ENDS_WITHIN_S)


async def test_no_push_leaves_and_what_was_missed_is_pushed_after_an_undo(
    workers: HomeserverWithWorkers, gateway: PushGateway
) -> None:
    session, other = await open_session(workers, gateway), await open_session(workers, gateway, "Max Muster")
    before = await _sent(workers, session)
    await workers.until(lambda: before in gateway.events(session.push_key))
    await lock(workers.views["worker1"], session.kvnr)
    pushed = gateway.count(session.push_key)
    meanwhile = await _sent(workers, session)
    # Pushes leave in the order of their events: when the later one of somebody else is there, none was sent for her.
    later = await _sent(workers, other)
    await workers.until(lambda: later in gateway.events(other.push_key))
    assert gateway.count(session.push_key) == pushed
    await undo(workers.views["worker2"], session.kvnr)
    after = await _sent(workers, session)
    await workers.until(lambda: {meanwhile, after} <= set(gateway.events(session.push_key)))
    assert gateway.events(session.push_key).count(meanwhile) == 1


async def test_delayed_events_wait_for_an_undo(workers: HomeserverWithWorkers, gateway: PushGateway) -> None:
    session = await open_session(workers, gateway)
    other = await open_session(workers, gateway, "Max Muster")
    await delayed_event(workers, session.device, session.room, 1_000)
    await delayed_event(workers, other.device, other.room, 2_000)
    sent_by = "SELECT count(*) FROM events WHERE type = 'm.room.encrypted' AND sender = ?"
    await lock(workers, session.kvnr)
    await workers.until(lambda: workers.rows(sent_by, other.user_id) == [(2,)])
    assert workers.rows(sent_by, session.user_id) == [(1,)]
    await undo(workers.views["worker1"], session.kvnr)
    await workers.until(lambda: workers.rows(sent_by, session.user_id) == [(2,)])


async def test_the_practice_sees_that_nobody_reads_until_an_undo(
    workers: HomeserverWithWorkers, gateway: PushGateway
) -> None:
    session = await open_session(workers, gateway)
    status, second = await workers.create_room(session.device, session.practice.user_id)
    assert status == 200, second
    for _ in range(2):
        await lock(workers.views["worker1"], session.kvnr)
    marks = (
        "SELECT r.display_name FROM events e JOIN room_memberships r ON r.event_id = e.event_id"
        " WHERE e.room_id = ? AND r.user_id = ? AND r.membership = 'join' ORDER BY e.stream_ordering"
    )
    plain, marked = ("Erika Muster",), ("Erika Muster – nicht mehr erreichbar",)
    for room in (session.room, second["room_id"]):
        await workers.until(lambda room=room: len(workers.rows(marks, room, session.user_id)) == 2)  # type: ignore[misc]
        assert workers.rows(marks, room, session.user_id) == [plain, marked]
    assert await _member_name(workers, session) == marked[0]
    await _sent(workers, session)
    for _ in range(2):
        await undo(workers.views["worker2"], session.kvnr)
    for room in (session.room, second["room_id"]):
        await workers.until(lambda room=room: len(workers.rows(marks, room, session.user_id)) == 3)  # type: ignore[misc]
        assert workers.rows(marks, room, session.user_id) == [plain, marked, plain]


async def test_no_administrator_changes_a_name_under_the_mark(
    workers: HomeserverWithWorkers, gateway: PushGateway
) -> None:
    """Her verified name is what she has again after an undo."""
    session = await open_session(workers, gateway)
    await lock(workers.views["worker1"], session.kvnr)
    operator = await workers.own_account(OPERATOR, "operator")
    address = f"/_synapse/admin/v2/users/{quote(session.user_id)}"
    status, answer = await call(workers, operator, "PUT", address, {"displayname": "Erika Neu"})
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")

    async def shows(name: str) -> bool:
        return await _member_name(workers, session) == name

    await workers.until_async(lambda: shows("Erika Muster – nicht mehr erreichbar"))
    await undo(workers.views["worker1"], session.kvnr)
    await workers.until_async(lambda: shows("Erika Muster"))


async def test_a_lock_after_an_undo_holds(workers: HomeserverWithWorkers, gateway: PushGateway) -> None:
    session = await open_session(workers, gateway)
    for _ in range(2):
        await lock(workers.views["worker1"], session.kvnr)
        await _answers_everywhere(workers, session, 401)
        await undo(workers.views["worker1"], session.kvnr)
        await _answers_everywhere(workers, session, 200)


async def test_workers_hear_of_a_lock_and_of_its_end_while_redis_is_silent(
    workers: HomeserverWithWorkers, gateway: PushGateway
) -> None:
    session = await open_session(workers, gateway)
    await _answers_everywhere(workers, session, 200)
    assert workers.redis is not None
    workers.redis.send_signal(signal.SIGSTOP)
    try:
        await lock(workers, session.kvnr)
        await _answers_everywhere(workers, session, 401)
        await undo(workers, session.kvnr)
        await _answers_everywhere(workers, session, 200)
    finally:
        workers.redis.send_signal(signal.SIGCONT)


async def test_profile_and_presence_are_not_served(workers: HomeserverWithWorkers, gateway: PushGateway) -> None:
    session = await open_session(workers, gateway)
    user = quote(session.user_id)
    online = {"presence": "online"}
    assert (await workers.call(session.device, "PUT", f"/presence/{user}/status", online))[0] == 200

    async def seen(view: Homeserver) -> tuple[int, int, set[str]]:
        profile, _ = await view.call(session.practice, "GET", f"/profile/{user}")
        name, _ = await view.call(session.practice, "GET", f"/profile/{user}/displayname")
        # Of Synapse's processes only the main one is asked for somebody's presence; all of them tell it in a sync.
        _, asked = await workers.call(session.practice, "GET", f"/presence/{user}/status")
        # Synapse keeps an answer for who asks the same again; a filter of its own makes it another question.
        own = quote(json.dumps({"room": {"timeline": {"limit": 1 + secrets.randbelow(10_000)}}}))
        _, synced = await view.call(session.practice, "GET", f"/sync?timeout=0&set_presence=offline&filter={own}")
        told = [
            event["content"]["presence"]
            for event in synced.get("presence", {}).get("events", [])
            if event["sender"] == session.user_id
        ]
        return profile, name, {asked["presence"], *told} - {"offline"}

    assert await seen(workers) == (200, 200, {"online"})
    await lock(workers, session.kvnr)
    await _answers_everywhere(workers, session, 401)
    for view in workers.views.values():
        assert await seen(view) == (403, 403, set())
    await undo(workers, session.kvnr)
    await _answers_everywhere(workers, session, 200)
    for view in workers.views.values():
        assert (await seen(view))[:2] == (200, 200)


async def test_nobody_invites_finds_or_signs_in_as_a_locked_person(
    workers: HomeserverWithWorkers, gateway: PushGateway
) -> None:
    session = await open_session(workers, gateway, "Xaveria Eindeutig")
    await lock(workers, session.kvnr)
    agent = await workers.new_agent(f"agent-{secrets.token_hex(4)}")
    for view in workers.views.values():
        assert (await view.create_room(session.practice, session.user_id))[0] == 403
        assert (await view.invite(session.practice, session.room, session.user_id))[0] == 403
        for who in (session.practice, agent):
            body = {"search_term": "Xaveria"}
            _, found = await view.call(who, "POST", "/user_directory/search", body)
            assert found["results"] == []
        with pytest.raises(Exception, match="beendet"):
            await view.sign_in(claims(session.kvnr, "Xaveria Eindeutig"))


async def test_keys_and_messages_between_devices_are_open_to_those_in_a_common_room_alone(
    workers: HomeserverWithWorkers, gateway: PushGateway
) -> None:
    session = await open_session(workers, gateway)
    asking = await workers.practice_device(await workers.new_practice("Praxis Winter"))
    # Invited, but not accepted: enough for a person who is there, not for one who is locked.
    assert (await workers.create_room(asking, session.user_id))[0] == 200
    keys = {
        "algorithms": [],
        "user_id": session.user_id,
        "device_id": session.device.device_id,
        "keys": {f"curve25519:{session.device.device_id}": "A" * 43},
        "signatures": {},
    }
    one_time = {f"signed_curve25519:{number}": {"key": "A" * 43, "signatures": {}} for number in range(5)}
    body = {"device_keys": keys, "one_time_keys": one_time}
    assert (await workers.call(session.device, "POST", "/keys/upload", body))[0] == 200

    async def reached(who: SignedIn, note: str) -> tuple[bool, bool]:
        _, devices = await workers.call(who, "POST", "/keys/query", {"device_keys": {session.user_id: []}})
        wanted = {session.user_id: {session.device.device_id: "signed_curve25519"}}
        _, claimed = await workers.call(who, "POST", "/keys/claim", {"one_time_keys": wanted})
        messages = {
            session.user_id: {
                session.device.device_id: {"algorithm": "m.olm.v1.curve25519-aes-sha2", "org.matrix.msgid": note}
            }
        }
        path = f"/sendToDevice/m.room.encrypted/{secrets.token_hex(8)}"
        assert (await workers.call(who, "PUT", path, {"messages": messages}))[0] == 200
        return bool(devices["device_keys"].get(session.user_id)), bool(claimed["one_time_keys"])

    assert await reached(asking, "before") == (True, True)
    await lock(workers, session.kvnr)
    assert await reached(asking, "dropped") == (False, False)
    assert await reached(session.practice, "queued") == (True, True)
    await undo(workers, session.kvnr)
    _, synced = await workers.call(session.device, "GET", "/sync?timeout=0")
    notes = [event["content"]["org.matrix.msgid"] for event in synced["to_device"]["events"]]
    assert notes == ["before", "queued"]


async def test_after_an_undo_a_real_client_reads_what_was_sent_meanwhile(
    workers: HomeserverWithWorkers, tmp_path: Path
) -> None:
    kvnr = new_kvnr()
    person = await workers.sign_in(claims(kvnr))
    practice = await workers.practice_device(await workers.new_practice("Praxis Sommer"))

    def device(who: SignedIn) -> headless_sign_in.SignedIn:
        return headless_sign_in.SignedIn(who.user_id, who.access_token, who.device_id)

    async with run_client(workers.base, device(practice), tmp_path / "practice") as theirs:
        async with run_client(workers.base, device(person), tmp_path / "person") as hers:
            status, made = await hers.ask_for_chat(practice.user_id)
            assert status == 200, made
            room = made["room_id"]
            await theirs.wait_for_invitation(person.user_id)
            await theirs.join(room)
            await hers.wait_until_in(room, practice.user_id)
            await theirs.wait_until_in(room, person.user_id)
            await lock(workers.views["worker1"], kvnr)
        # Her app is closed; nothing was ever sent before, so that also the first key has to wait for her.
        await theirs.send_text(room, "Bitte rufen Sie uns an.")
        await undo(workers.views["worker2"], kvnr)
        async with run_client(workers.base, device(person), tmp_path / "person") as hers:
            seen = await hers.wait_for(lambda event: event.body == "Bitte rufen Sie uns an.", "what was sent meanwhile")
            assert seen.encrypted
            await hers.send_text(room, "Das mache ich.")
            await theirs.wait_for(lambda event: event.body == "Das mache ich.", "her answer")
