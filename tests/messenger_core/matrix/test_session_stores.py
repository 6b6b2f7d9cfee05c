"""The session's tables on both databases: one transaction an answer, order, relations, outbox and figures."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import make_engine
from messenger_core.matrix import Invitation, Message, Redaction, SessionFigures, session_figures
from messenger_core.matrix.account_lock import account_lock
from messenger_core.matrix.metrics import as_metrics
from messenger_core.matrix.store.intake import Intake, OwnEvents
from messenger_core.matrix.store.journal import Journal, Relations
from messenger_core.matrix.store.outbox import SENDING_ID_KEY, Outbox, SendingState
from messenger_core.matrix.store.tables import session_tables
from messenger_core.matrix.sync_answer import LimitedTimeline, RoomEvent, SyncAnswer
from messenger_core.settings import SettingsError
from tests.messenger_core.matrix.conftest import make_session_tables

BOT, ERIKA, ROOM, DEVICE = "@bot:x", "@erika:x", "!room:x", "HEKBOT"
START = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A database with the session's tables alone."""
    engine = make_engine(database_url)
    await make_session_tables(engine)
    yield engine
    await engine.dispose()


class Parts:
    """The stores of one account."""

    def __init__(self, engine: AsyncEngine, user_id: str = BOT) -> None:
        self.engine = engine
        self.user_id = user_id
        self.outbox = Outbox(engine, user_id)
        self.intake = Intake(engine, user_id, self.outbox)
        self.journal = Journal(engine, user_id)

    async def take_in(self, *events: RoomEvent, since: str | None = "s0", **changes: Any) -> OwnEvents:
        """Takes an answer in."""
        answer = SyncAnswer(next_batch="s1", events=events, **changes)
        return await self.intake.take_in(answer, since=since, device_id=DEVICE, now=START)

    async def turn(self) -> list[str]:
        """The pending events of the room, in their turn."""
        return [row.event_id for row in await self.journal.next(ROOM, 100)]

    async def settle(self, event_id: str, *answers: Message | Redaction) -> None:
        """Ends an event."""
        [row] = [row for row in await self.journal.next(ROOM, 100) if row.event_id == event_id]
        await self.journal.settle(row, answers, outbox=self.outbox, megolm_place=f"key:{event_id}", now=START)


@pytest.fixture
def parts(engine: AsyncEngine) -> Parts:
    """The stores of the bot."""
    return Parts(engine)


def event(event_id: str, *, sender: str = ERIKA, type_: str = "m.room.message", **source: object) -> RoomEvent:
    """An event of the room."""
    raw: dict[str, object] = {"event_id": event_id, "sender": sender, "type": type_, "content": {"body": event_id}}
    found = RoomEvent.from_source(ROOM, raw | {"origin_server_ts": 1} | source)
    assert found is not None
    return found


async def test_an_answer_is_taken_in_wholly_or_not_at_all(parts: Parts) -> None:
    broken = SyncAnswer(next_batch="s1", events=(event("$1"),), changed_devices=frozenset([ERIKA]))
    object.__setattr__(broken, "next_batch", None)
    with pytest.raises(sa.exc.SQLAlchemyError):
        await parts.intake.take_in(broken, since=None, device_id=DEVICE, now=START)
    assert await parts.intake.position() is None
    assert await parts.turn() == []
    await parts.take_in(event("$1"), to_device=({"type": "m.dummy"},), changed_devices=frozenset([ERIKA]))
    assert await parts.intake.position() == "s1"
    assert await parts.turn() == ["$1"]
    assert (await session_figures(parts.engine, BOT, START)).undigested_to_device == 1


async def test_row_19_an_event_that_comes_again_is_not_handled_again(parts: Parts) -> None:
    await parts.take_in(event("$1"), event("$2"))
    await parts.settle("$1")
    await parts.take_in(event("$1"), event("$2"), event("$3"))
    assert await parts.turn() == ["$2", "$3"]


async def test_row_19_the_same_ciphertext_under_another_id_is_known(parts: Parts) -> None:
    await parts.take_in(event("$1"), event("$2"))
    await parts.settle("$1")
    [row] = await parts.journal.next(ROOM, 10)
    assert await parts.journal.was_read_elsewhere(row, "key:$1")
    assert not await parts.journal.was_read_elsewhere(row, "key:$2")


async def test_own_events_are_not_handled(parts: Parts) -> None:
    await parts.take_in(event("$mine", sender=BOT), event("$hers"))
    assert await parts.turn() == ["$hers"]


async def test_row_12_what_fills_a_gap_comes_before_what_came_after_it(parts: Parts) -> None:
    await parts.take_in(event("$1"))
    await parts.take_in(event("$6"), event("$7"), limited=(LimitedTimeline(ROOM, "t5"),), since="s0")
    assert ROOM in await parts.journal.rooms()
    [gap] = await parts.intake.gaps(ROOM)
    assert (gap.token, gap.until) == ("t5", "s0")
    await parts.intake.fill(gap, [event("$5"), event("$4")], token="t3", device_id=DEVICE, now=START)
    [gap] = await parts.intake.gaps(ROOM)
    await parts.intake.fill(gap, [event("$3"), event("$2"), event("$1")], token=None, device_id=DEVICE, now=START)
    assert await parts.intake.gaps(ROOM) == []
    assert await parts.turn() == [f"${number}" for number in range(1, 8)]


async def test_the_first_answer_opens_no_gap_into_the_past(parts: Parts) -> None:
    await parts.take_in(event("$1"), limited=(LimitedTimeline(ROOM, "t"),), since=None)
    assert await parts.intake.gaps(ROOM) == []


@pytest.mark.parametrize("redacts_in_content", [True, False])
@pytest.mark.parametrize("redaction_first", [True, False])
async def test_a_redaction_counts_whatever_order_it_comes_in(
    parts: Parts, *, redacts_in_content: bool, redaction_first: bool
) -> None:
    place = {"content": {"redacts": "$1"}} if redacts_in_content else {"redacts": "$1", "content": {}}
    redaction = event("$2", type_="m.room.redaction", **place)
    message = event("$1", content={"body": "a secret"})
    for received in (redaction, message) if redaction_first else (message, redaction):
        await parts.take_in(received)
    assert (await parts.journal.relations(ROOM, "$1", ERIKA)).redacted
    if not redaction_first:
        [row] = [row for row in await parts.journal.next(ROOM, 10) if row.event_id == "$1"]
        assert "a secret" not in row.source


async def test_a_deleted_event_waits_for_no_key_any_more(parts: Parts) -> None:
    await parts.take_in(event("$1"))
    [row] = await parts.journal.next(ROOM, 1)
    await parts.journal.wait_for_key(row, "session")
    assert await parts.turn() == []
    await parts.take_in(event("$2", type_="m.room.redaction", redacts="$1", content={}))
    assert await parts.turn() == ["$1", "$2"]


async def test_a_redaction_of_what_was_fetched_before_it_is_not_undone_by_what_follows(parts: Parts) -> None:
    await parts.take_in(event("$1"))
    [row] = await parts.journal.next(ROOM, 1)
    await parts.take_in(event("$2", type_="m.room.redaction", redacts="$1", content={}))
    await parts.journal.wait_for_key(row, "session")
    assert await parts.turn() == ["$1", "$2"]


@pytest.mark.parametrize(("editor", "counts"), [(ERIKA, True), ("@other:x", False)])
async def test_a_correction_counts_by_the_same_sender_alone(parts: Parts, editor: str, *, counts: bool) -> None:
    relation = {"m.relates_to": {"rel_type": "m.replace", "event_id": "$1"}}
    await parts.take_in(event("$2", sender=editor, content=relation))
    await parts.take_in(event("$1"))
    expected = Relations(redacted=False, replaced_by="$2" if counts else None)
    assert await parts.journal.relations(ROOM, "$1", ERIKA) == expected


async def test_what_waits_for_its_key_has_its_turn_when_the_key_comes(parts: Parts) -> None:
    await parts.take_in(event("$1"), event("$2"))
    [first, _] = await parts.journal.next(ROOM, 2)
    await parts.journal.wait_for_key(first, "session")
    assert await parts.turn() == ["$2"]
    [waiting] = await parts.journal.waiting(ROOM)
    assert (waiting.event_id, waiting.since) == ("$1", START)
    assert await parts.journal.release(["another"]) == []
    assert await parts.journal.release(["session"]) == [ROOM]
    assert await parts.turn() == ["$1", "$2"]


async def test_what_is_parked_says_why_and_has_another_turn(parts: Parts) -> None:
    await parts.take_in(event("$1"))
    [row] = await parts.journal.next(ROOM, 1)
    await parts.journal.failed(row)
    await parts.journal.park(row, "handler failed")
    assert (await session_figures(parts.engine, BOT, START)).parked == {"handler failed": 1}
    assert await parts.journal.release_parked() == [ROOM]
    [row] = await parts.journal.next(ROOM, 1)
    assert row.attempts == 1


async def test_an_invitation_is_decided_once_and_the_next_one_counts(parts: Parts) -> None:
    await parts.take_in(invitations=(Invitation(ROOM, ERIKA),))
    [row] = await parts.journal.next(ROOM, 1)
    assert (row.kind, json.loads(row.source)) == ("invitation", {"sender": ERIKA})
    await parts.journal.settle(row, (), outbox=parts.outbox, megolm_place=None, now=START)
    assert await parts.turn() == []
    await parts.take_in(invitations=(Invitation(ROOM, ERIKA),))
    assert len(await parts.turn()) == 1


async def test_answers_are_queued_with_the_settlement_and_once(parts: Parts) -> None:
    await parts.take_in(event("$1"))
    await parts.settle("$1", Message(ROOM, {"body": "first"}), Redaction(ROOM, "$old"))
    first = await parts.outbox.first(ROOM)
    assert first is not None
    assert first.what == Message(ROOM, {"body": "first", "m.mentions": {}})
    again = await parts.outbox.put(Message(ROOM, {"body": "another"}), key=first.key, now=START)
    assert again == first


async def test_content_is_gone_once_the_homeserver_took_it(parts: Parts) -> None:
    row = await parts.outbox.put(Message(ROOM, {"body": "a secret"}), key="key", now=START)
    await parts.outbox.accepted(row.id, "$event", "session", START)
    taken = await parts.outbox.find(row.id)
    assert (taken.state, taken.event_id, taken.what) == (SendingState.SENT, "$event", None)
    await parts.outbox.forget_sent(START + timedelta(days=29))
    assert await parts.outbox.by_key("key") is not None
    await parts.outbox.forget_sent(START + timedelta(days=31))
    assert await parts.outbox.by_key("key") is None


async def test_row_08_a_message_is_not_sent_while_a_device_is_owed_its_key(parts: Parts) -> None:
    owed = session_tables(sa.MetaData()).owed_key
    device = {"user_id": BOT, "room_id": ROOM, "session_id": "session", "owner": ERIKA, "device_id": "PHONE"}
    async with parts.engine.begin() as connection:
        await connection.execute(owed.insert().values(**device, message_index=0, since=0, attempts=0, next_at=0))
    row = await parts.outbox.put(Message(ROOM, {}), key="key", now=START)
    await parts.outbox.accepted(row.id, "$event", "session", START)
    assert (await parts.outbox.find(row.id)).state is SendingState.ACCEPTED
    assert await parts.outbox.unreached(row.id) == 1
    assert (await session_figures(parts.engine, BOT, START)).unshared_keys == 1
    await parts.outbox.delivered()
    assert (await parts.outbox.find(row.id)).state is SendingState.ACCEPTED
    async with parts.engine.begin() as connection:
        await connection.execute(owed.delete())
    await parts.outbox.delivered()
    assert (await parts.outbox.find(row.id)).state is SendingState.SENT


async def test_what_was_sent_is_recognised_in_the_room_by_its_random_id(parts: Parts) -> None:
    row = await parts.outbox.put(Message(ROOM, {}), key="key", now=START)
    content = {SENDING_ID_KEY: row.sending_id, "device_id": DEVICE, "session_id": "session"}
    own = await parts.take_in(event("$sent", sender=BOT, type_="m.room.encrypted", content=content))
    assert own == OwnEvents(frozenset([row.id]), 0)
    taken = await parts.outbox.find(row.id)
    assert (taken.state, taken.event_id) == (SendingState.SENT, "$sent")


async def test_somebody_elses_copy_of_the_random_id_acknowledges_nothing(parts: Parts) -> None:
    row = await parts.outbox.put(Message(ROOM, {}), key="key", now=START)
    await parts.take_in(event("$copy", content={SENDING_ID_KEY: row.sending_id}))
    assert (await parts.outbox.find(row.id)).state is SendingState.QUEUED


@pytest.mark.parametrize(("device", "foreign"), [(DEVICE, 1), ("OLD", 0)])
async def test_row_21_a_message_of_this_device_that_the_outbox_does_not_know_is_noticed(
    parts: Parts, device: str, foreign: int
) -> None:
    content = {SENDING_ID_KEY: "0" * 32, "device_id": device}
    now = to_milliseconds(START)
    own = await parts.take_in(event("$x", sender=BOT, type_="m.room.encrypted", content=content, origin_server_ts=now))
    assert own.foreign == foreign


async def test_a_redaction_of_ours_is_recognised_by_its_target(parts: Parts) -> None:
    row = await parts.outbox.put(Redaction(ROOM, "$target"), key="key", now=START)
    own = await parts.take_in(event("$r", sender=BOT, type_="m.room.redaction", redacts="$target", content={}))
    assert own.acknowledged == {row.id}
    assert (await parts.outbox.find(row.id)).event_id == "$r"


async def test_what_was_refused_is_tried_once_more_when_it_is_asked_for_again(parts: Parts) -> None:
    row = await parts.outbox.put(Message(ROOM, {"body": "x"}), key="key", now=START)
    await parts.outbox.refused(row.id, "M_FORBIDDEN", START)
    refused = await parts.outbox.find(row.id)
    assert (refused.state, refused.errcode, refused.what) == (SendingState.REFUSED, "M_FORBIDDEN", None)
    again = await parts.outbox.put(Message(ROOM, {"body": "x"}), key="key", now=START)
    assert (again.id, again.state, again.what) == (
        row.id,
        SendingState.QUEUED,
        Message(ROOM, {"body": "x", "m.mentions": {}}),
    )


async def test_what_a_stranger_sends_fits_into_the_database(parts: Parts) -> None:
    odd = json.loads('{"body": "\\ud800 \\u0000", "m.relates_to": {"rel_type": "m.replace", "event_id": "\\ud800"}}')
    await parts.take_in(event("$1", content=odd, origin_server_ts=2**70), to_device=({"content": odd},))
    [row] = await parts.journal.next(ROOM, 1)
    assert json.loads(row.source)["content"] == odd


async def test_accounts_in_one_database_do_not_mix(engine: AsyncEngine) -> None:
    one, other = Parts(engine), Parts(engine, "@other-bot:x")
    await one.take_in(event("$1"))
    await other.take_in(event("$1"))
    await one.settle("$1")
    assert await one.turn() == []
    assert await other.turn() == ["$1"]


async def test_row_12_what_came_after_a_gap_is_not_handled_before_it_is_filled(parts: Parts) -> None:
    await parts.take_in(event("$1"))
    await parts.take_in(event("$9"), limited=(LimitedTimeline(ROOM, "t"),))
    assert await parts.turn() == ["$1"]
    [gap] = await parts.intake.gaps(ROOM)
    await parts.intake.fill(gap, [], token=None, device_id=DEVICE, now=START)
    assert await parts.turn() == ["$1", "$9"]


async def test_row_12_what_was_missed_before_being_invited_again_is_fetched_from_where_the_room_was_read(
    parts: Parts,
) -> None:
    await parts.take_in(event("$1"), since="s5")
    await parts.take_in(invitations=(Invitation(ROOM, ERIKA),), since="s6")
    await parts.take_in(invitations=(Invitation(ROOM, ERIKA),), since="s7")
    joined = {"limited": (LimitedTimeline(ROOM, "t"),), "joined": frozenset([ROOM])}
    await parts.take_in(event("$9"), since="s8", **joined)
    [gap] = await parts.intake.gaps(ROOM)
    assert gap.until == "s6"
    await parts.take_in(since="s9", **joined)
    assert [gap.until for gap in await parts.intake.gaps(ROOM)] == ["s6", "s9"]


async def test_row_12_missing_events_that_cannot_be_read_leave_a_trace_and_are_tried_again_after_coming_back(
    parts: Parts,
) -> None:
    await parts.take_in(event("$9"), limited=(LimitedTimeline(ROOM, "t"),), since="s3")
    [gap] = await parts.intake.gaps(ROOM)
    await parts.intake.give_up(gap, START)
    assert await parts.turn() == ["$9"]
    figures = await session_figures(parts.engine, BOT, START)
    assert figures.parked == {"missing events cannot be read": 1}
    assert await parts.journal.release_parked() == []
    await parts.take_in(limited=(LimitedTimeline(ROOM, "t7"),), joined=frozenset([ROOM]), since="s7")
    assert [gap.until for gap in await parts.intake.gaps(ROOM)] == ["s3"]


async def test_an_invitation_that_came_while_the_one_before_it_was_decided_is_decided_too(parts: Parts) -> None:
    await parts.take_in(invitations=(Invitation(ROOM, ERIKA),))
    [row] = await parts.journal.next(ROOM, 1)
    await parts.take_in(invitations=(Invitation(ROOM, ERIKA),))
    await parts.journal.settle(row, (), outbox=parts.outbox, megolm_place=None, now=START)
    assert len(await parts.turn()) == 1


async def test_an_old_event_of_this_device_that_comes_again_condemns_nobody(parts: Parts) -> None:
    content = {SENDING_ID_KEY: "0" * 32, "device_id": DEVICE}
    sent_at = to_milliseconds(START - timedelta(days=29))
    old = event("$x", sender=BOT, type_="m.room.encrypted", content=content, origin_server_ts=sent_at)
    assert (await parts.take_in(old)).foreign == 0


async def test_the_event_itself_says_with_which_key_a_message_went_out(parts: Parts) -> None:
    owed = session_tables(sa.MetaData()).owed_key
    device = {"user_id": BOT, "room_id": ROOM, "session_id": "first", "owner": ERIKA, "device_id": "PHONE"}
    async with parts.engine.begin() as connection:
        await connection.execute(owed.insert().values(**device, message_index=0, since=0, attempts=0, next_at=0))
    row = await parts.outbox.put(Message(ROOM, {}), key="key", now=START)
    await parts.outbox.accepted(row.id, "$sent", "second", START)
    assert (await parts.outbox.find(row.id)).state is SendingState.SENT
    content = {SENDING_ID_KEY: row.sending_id, "device_id": DEVICE, "session_id": "first"}
    await parts.take_in(event("$sent", sender=BOT, type_="m.room.encrypted", content=content))
    assert (await parts.outbox.find(row.id)).state is SendingState.ACCEPTED


async def test_figures_tell_how_long_things_wait(parts: Parts) -> None:
    await parts.take_in(event("$1"), event("$2"), one_time_keys=17)
    await parts.outbox.put(Message(ROOM, {}), key="key", now=START)
    figures = await session_figures(parts.engine, BOT, START + timedelta(minutes=2))
    assert figures.journal == {"pending": 2, "waiting_key": 0, "parked": 0, "settled": 0}
    assert (figures.oldest_pending_s, figures.oldest_queued_s) == (120.0, 120.0)
    assert figures.one_time_keys_left == 17
    shown = as_metrics([figures]).decode()
    assert 'hek_session_events{state="pending"} 2.0' in shown
    assert "hek_session_oldest_queued_seconds 120.0" in shown
    assert "hek_session_one_time_keys_left 17.0" in shown
    assert "@" not in shown


def test_metrics_without_any_account_are_empty_but_there() -> None:
    nothing: list[SessionFigures] = []
    assert "hek_session_unshared_keys 0.0" in as_metrics(nothing).decode()


async def test_an_account_is_held_by_one_alone(engine: AsyncEngine) -> None:
    async with account_lock(engine, BOT):
        with pytest.raises(SettingsError, match="only one may run"):
            async with account_lock(engine, BOT):
                pass
        async with account_lock(engine, "@other-bot:x"):
            pass
    async with account_lock(engine, BOT):
        pass
