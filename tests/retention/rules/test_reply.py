"""What an answer means: examples, and the property that no chat is left without a clear word."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.rules.reply import Keep, Leave, Reply, SetPeriod, Unclear, read_reply


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        ("VERLASSEN", Leave(None)),
        ("verlassen.", Leave(None)),
        (" Leave! ", Leave(None)),
        ("„VERLASSEN“", Leave(None)),
        ("1 3", Leave(frozenset({1, 3}))),
        ("1, 3", Leave(frozenset({1, 3}))),
        ("1 und 3", Leave(frozenset({1, 3}))),
        ("1,2 & 3", Leave(frozenset({1, 2, 3}))),
        ("Verlassen 2", Leave(frozenset({2}))),
        ("LEAVE: 2 and 4", Leave(frozenset({2, 4}))),
        ("BEHALTEN", Keep()),
        ("keep", Keep()),
        ("FRIST 12", SetPeriod(12)),
        ("frist: 12 Monate", SetPeriod(12)),
        ("PERIOD 1 month", SetPeriod(1)),
        ("FRIST NIE", SetPeriod(None)),
        ("period never.", SetPeriod(None)),
        ("FRIST 0", Unclear.PERIOD_OUT_OF_RANGE),
        ("FRIST 121", Unclear.PERIOD_OUT_OF_RANGE),
        ("> <@hek-service:x> VERLASSEN\n\nBEHALTEN", Keep()),
    ],
)
def test_the_words_of_the_offer_are_understood(body: str, meaning: Reply) -> None:
    assert read_reply(body) == meaning


@pytest.mark.parametrize(
    "body",
    [
        "nicht verlassen",
        "VERLASSEN?",
        "Soll ich den Chat verlassen?",
        "VERLASSEN oder BEHALTEN",
        "VERLASSEN außer 2",
        "nicht 1",
        "1 nicht",
        "1-3",
        "-1",
        "1.5",
        "24.12.2026",
        "> VERLASSEN",
        "* VERLASSEN",
        "2026",
        "FRIST",
        "FRIST bald",
        "",
        "👍",
        "١",
    ],
)
def test_what_is_not_clear_is_not_acted_upon(body: str) -> None:
    assert read_reply(body) is Unclear.NOT_UNDERSTOOD


_WORDS = st.sampled_from(["nicht", "VERLASSEN", "leave", "1", "3", "und", ",", "außer", "?", "BEHALTEN", "> ", "\n"])
_MESSAGES = st.one_of(st.text(), st.lists(_WORDS).map(" ".join))


@given(_MESSAGES)
def test_no_chat_is_ever_left_without_the_word_or_a_bare_list_of_numbers(body: str) -> None:
    reply = read_reply(body)
    own = " ".join(line for line in body.splitlines() if not line.lstrip().startswith(">"))
    if isinstance(reply, Leave):
        if reply.numbers is None:
            assert re.findall(r"\w+", own.upper()) in (["VERLASSEN"], ["LEAVE"])
        else:
            rest = re.sub(r"(?i)verlassen|leave|und|and|[0-9]", "", own)
            assert not re.search(r"\w|\?", rest)
            assert reply.numbers == {int(number) for number in re.findall(r"[0-9]+", own)}


@given(st.integers())
def test_a_period_is_accepted_from_one_month_to_ten_years(months: int) -> None:
    reply = read_reply(f"FRIST {months}")
    assert (reply == SetPeriod(months)) == (1 <= months <= 120)
