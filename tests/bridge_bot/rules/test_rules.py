"""Rules by example and by property."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_bot.rules.agent_commands import AgentMessage, Close, Note, UnknownCommand, read_agent_message
from bridge_bot.rules.agent_commands import Answer as AgentAnswer
from bridge_bot.rules.conversation import TOPIC_COMMANDS, Conversation, Incoming, Placement, Text, decide
from bridge_bot.rules.promise import PROMISE, Answer, Kept, blocks
from bridge_bot.rules.quarters import quarter_of
from bridge_bot.rules.report import report_row, summary_of
from bridge_bot.rules.support_rooms import is_fit
from bridge_bot.rules.topics import Topic, chosen_topic

TOPICS = [
    Topic("krankengeld", "leistungen", "Krankengeld", "Sick pay"),
    Topic("familie", "mitgliedschaft", "Familienversicherung", "Family insurance"),
]
T0 = datetime(2026, 11, 23, 19, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "quarter"),
    [
        (datetime(2026, 12, 31, 22, 59, tzinfo=UTC), "2026q4"),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), "2027q1"),
        (datetime(2027, 3, 31, 21, 59, tzinfo=UTC), "2027q1"),
        (datetime(2027, 3, 31, 22, 0, tzinfo=UTC), "2027q2"),
    ],
)
def test_a_quarter_changes_at_midnight_in_germany(moment: datetime, quarter: str) -> None:
    assert quarter_of(moment) == quarter


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("1", "krankengeld"),
        (" 2. ", "familie"),
        ("2)", "familie"),
        ("KRANKENGELD", "krankengeld"),
        ("Sick pay", "krankengeld"),
        ("3", None),
        ("0", None),
        ("", None),
        ("Wann kommt mein Krankengeld?", None),
    ],
)
def test_a_topic_is_chosen_by_its_number_or_title_and_by_nothing_else(text: str, key: str | None) -> None:
    topic = chosen_topic(text, TOPICS)
    assert (topic.key if topic else None) == key


def test_a_message_before_the_choice_is_kept_and_the_choice_opens_the_ticket_with_it() -> None:
    first = decide(Conversation(), Incoming("Wann kommt mein Geld?"), TOPICS)
    assert (first.placement, first.tell) == (Placement.KEPT, Text.CHOOSE_TOPIC_FIRST)
    choice = decide(first.conversation, Incoming("1"), TOPICS)
    assert (choice.placement, choice.open_ticket) == (Placement.COMMAND, "krankengeld")
    assert choice.conversation == Conversation(ticket_open=True)


def test_a_choice_alone_opens_no_ticket_and_can_be_changed_until_the_first_message() -> None:
    first = decide(Conversation(), Incoming("1"), TOPICS)
    assert (first.open_ticket, first.tell) == (None, Text.TOPIC_CHOSEN)
    second = decide(first.conversation, Incoming("2"), TOPICS)
    message = decide(second.conversation, Incoming(None), TOPICS)
    assert (message.placement, message.open_ticket) == (Placement.RELAYED, "familie")


def test_in_an_open_ticket_even_a_number_is_a_message() -> None:
    decision = decide(Conversation(ticket_open=True), Incoming("2"), TOPICS)
    assert decision.placement is Placement.RELAYED
    assert decision.open_ticket is None


def test_the_topics_can_be_listed_again_but_not_changed_while_a_ticket_is_open() -> None:
    assert decide(Conversation(topic="familie"), Incoming("!thema"), TOPICS).tell is Text.TOPICS
    assert decide(Conversation(ticket_open=True), Incoming("!Topic"), TOPICS).tell is Text.TICKET_STILL_OPEN


def test_a_topic_that_the_operator_took_out_is_asked_for_again_and_the_message_is_kept() -> None:
    first = decide(Conversation(topic="zahnersatz"), Incoming("Guten Tag"), TOPICS)
    assert (first.placement, first.tell, first.open_ticket) == (Placement.KEPT, Text.CHOOSE_TOPIC_FIRST, None)
    assert first.conversation == Conversation(kept=1)


@given(
    st.lists(st.one_of(st.none(), st.sampled_from(["1", "2", "!thema", "Krankengeld", "7"]), st.text())),
    st.sampled_from([None, "krankengeld", "zahnersatz"]),
)
def test_a_conversation_never_loses_a_message_and_keeps_their_order(
    texts: list[str | None], stored: str | None
) -> None:
    conversation = Conversation(topic=stored)
    kept: list[int] = []
    relayed: list[int] = []
    expected: list[int] = []
    for number, text in enumerate(texts):
        before = conversation
        decision = decide(conversation, Incoming(text), TOPICS)
        conversation = decision.conversation
        if decision.open_ticket is not None:
            assert decision.open_ticket in {topic.key for topic in TOPICS}
            relayed += kept
            kept = []
        if decision.placement is Placement.KEPT:
            kept.append(number)
        elif decision.placement is Placement.RELAYED:
            assert conversation.ticket_open
            relayed.append(number)
        else:
            is_command = text is not None and text.strip().casefold() in TOPIC_COMMANDS
            is_choice = text is not None and not before.ticket_open and chosen_topic(text, TOPICS) is not None
            assert is_command or is_choice
            continue
        expected.append(number)
        assert conversation.kept == len(kept)
    assert relayed + kept == expected


@pytest.mark.parametrize(
    ("text", "is_file", "meaning"),
    [
        ("!antwort Am Freitag.", False, AgentAnswer("Am Freitag.")),
        ("!a Am\nFreitag.", False, AgentAnswer("Am\nFreitag.")),
        ("!Reply\tOn Friday.", False, AgentAnswer("On Friday.")),
        ("!answer", True, AgentAnswer("")),
        ("!antwort", False, UnknownCommand()),
        ("!antworte Am Freitag.", False, UnknownCommand()),
        ("!antwort.pdf", True, UnknownCommand()),
        ("!schliessen", False, Close("")),
        ("!schließen Doppelt gestellt", False, Close("Doppelt gestellt")),
        ("!close", True, UnknownCommand()),
        (" !antwort mit Leerzeichen davor", False, Note()),
        ("! antwort", False, Note()),
        ("Bitte mit !antwort antworten", False, Note()),
        ("", True, Note()),
    ],
)
def test_an_agents_message_is_an_answer_only_behind_its_prefix(text: str, is_file: bool, meaning: AgentMessage) -> None:
    assert read_agent_message(text, is_file=is_file) == meaning


@given(st.text(), st.booleans())
def test_only_text_behind_an_answer_prefix_can_ever_be_relayed(text: str, is_file: bool) -> None:
    meaning = read_agent_message(text, is_file=is_file)
    if isinstance(meaning, AgentAnswer):
        assert text.casefold().startswith(("!antwort", "!a", "!answer", "!reply"))
        assert text.endswith(meaning.text) or text.rstrip().endswith(meaning.text)


def answer(minutes: int, delivered: int | None) -> Answer:
    at = None if delivered is None else T0 + timedelta(minutes=delivered)
    return Answer(f"$a{minutes}", T0 + timedelta(minutes=minutes), at)


def test_a_block_opens_with_the_first_message_after_the_last_answer() -> None:
    received = [T0, T0 + timedelta(minutes=5), T0 + timedelta(minutes=20)]
    first, second = blocks(received, [answer(10, 11)], closed_at=None, as_of=T0 + timedelta(hours=1))
    assert (first.received_at, first.answered_at) == (T0, T0 + timedelta(minutes=11))
    assert (second.received_at, second.waits) == (T0 + timedelta(minutes=20), True)


def test_what_came_while_an_answer_was_on_its_way_is_not_answered_by_it() -> None:
    received = [T0, T0 + timedelta(minutes=11)]
    first, second = blocks(received, [answer(10, 12)], closed_at=None, as_of=T0 + timedelta(hours=1))
    assert first.kept(T0) is Kept.YES
    assert second.waits


def test_an_answer_counts_only_when_the_homeserver_took_it() -> None:
    (block,) = blocks([T0], [answer(10, None)], closed_at=None, as_of=T0 + PROMISE)
    assert not block.waits
    assert block.kept(T0 + PROMISE) is Kept.OPEN
    assert block.kept(T0 + PROMISE + timedelta(seconds=1)) is Kept.NO


@pytest.mark.parametrize(("late_by", "kept"), [(timedelta(), Kept.YES), (timedelta(microseconds=1), Kept.NO)])
def test_the_promise_is_kept_up_to_the_24th_hour(late_by: timedelta, kept: Kept) -> None:
    delivered = T0 + PROMISE + late_by
    (block,) = blocks([T0], [Answer("$a", delivered, delivered)], closed_at=None, as_of=delivered)
    assert block.kept(delivered) is kept


def test_closing_without_an_answer_is_its_own_outcome_and_answers_nothing_that_was_answered() -> None:
    received = [T0, T0 + timedelta(minutes=20)]
    closed = T0 + timedelta(minutes=30)
    answered, unanswered = blocks(received, [answer(10, 11)], closed_at=closed, as_of=closed)
    assert (answered.kept(closed), unanswered.kept(closed)) == (Kept.YES, Kept.CLOSED)


_MINUTES = st.integers(min_value=0, max_value=6000)


@given(
    st.lists(_MINUTES, min_size=1), st.lists(st.tuples(_MINUTES, _MINUTES), unique_by=lambda pair: pair[0]), _MINUTES
)
def test_every_message_is_in_one_block_and_a_later_look_never_unanswers(
    received: list[int], written: list[tuple[int, int]], later: int
) -> None:
    moments = [T0 + timedelta(minutes=minute) for minute in received]
    answers = [answer(at, at + delay) for at, delay in written]
    early, late = T0 + timedelta(minutes=6000), T0 + timedelta(minutes=6000 + later)
    found = blocks(moments, answers, closed_at=None, as_of=early)
    assert found[0].received_at == min(moments)
    assert {block.received_at for block in found} <= set(moments)
    assert sum(block.waits for block in found) <= 1
    for before, after in zip(found, blocks(moments, answers, closed_at=None, as_of=late), strict=True):
        assert before.received_at == after.received_at
        assert before.answered_at is None or before.answered_at == after.answered_at
        assert before.answered_at is None or before.answered_at >= before.received_at


def test_the_report_counts_an_overdue_block_as_late() -> None:
    as_of = T0 + timedelta(hours=25)
    found = [
        *blocks([T0], [answer(90, 90)], closed_at=None, as_of=as_of),
        *blocks([T0], [], closed_at=None, as_of=as_of),
        *blocks([as_of], [], closed_at=None, as_of=as_of),
        *blocks([T0], [], closed_at=as_of, as_of=as_of),
    ]
    rows = [report_row(block, ticket="2026-000001", topic="x", team="y", as_of=as_of) for block in found]
    assert [(row.minutes, row.in_time.value) for row in rows] == [
        (90, "yes"),
        (None, "no"),
        (None, "open"),
        (None, "closed"),
    ]
    summary = summary_of(rows)
    assert (summary.blocks, summary.in_time, summary.late, summary.open, summary.closed_without_answer) == (
        4,
        1,
        1,
        1,
        1,
    )


_BOTH = frozenset({"@erika:x", "@hek:x"})


@pytest.mark.parametrize(
    ("encrypted", "power", "present", "fit"),
    [
        (True, 50, _BOTH, True),
        (True, 2**53, _BOTH, True),
        (False, 100, _BOTH, False),
        (True, 49, _BOTH, False),
        (True, 100, _BOTH | {"@max:x"}, False),
    ],
)
def test_a_support_room_is_encrypted_between_two_and_gives_the_account_power(
    encrypted: bool, power: int, present: frozenset[str], fit: bool
) -> None:
    found = is_fit(encrypted=encrypted, power=power, present=present, person="@erika:x", account="@hek:x")
    assert found is fit
