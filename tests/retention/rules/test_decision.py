"""An answer is read with the numbers of the list that it answers, and decides about nothing else."""

import pytest

from retention.rules.decision import Decision, Undecided, decide
from retention.rules.reply import Keep, Leave

OLD = {1: "!a", 2: "!b"}
NEW = {1: "!c", 2: "!a", 3: "!b"}
ALL = frozenset({1, 2, 3})


@pytest.mark.parametrize(
    ("reply", "answered", "decision"),
    [
        (Leave(None), NEW, Decision(ALL, ALL)),
        (Leave(frozenset({1, 3})), NEW, Decision(frozenset({1, 3}), ALL)),
        (Keep(), NEW, Decision(frozenset(), ALL)),
        (Leave(frozenset({4})), NEW, Undecided.NO_SUCH_NUMBER),
        (Leave(frozenset({0})), NEW, Undecided.NO_SUCH_NUMBER),
        (Leave(frozenset({1})), OLD, Decision(frozenset({2}), frozenset({2, 3}))),
        (Leave(frozenset({2})), OLD, Decision(frozenset({3}), frozenset({2, 3}))),
        (Leave(frozenset({3})), OLD, Undecided.NO_SUCH_NUMBER),
        (Leave(None), OLD, Decision(frozenset({2, 3}), frozenset({2, 3}))),
        (Keep(), OLD, Decision(frozenset(), frozenset({2, 3}))),
        (Leave(frozenset({1, 2})), {1: "!a", 2: "!gone"}, Undecided.NO_LONGER_OFFERED),
        (Leave(None), {1: "!a", 2: "!gone"}, Decision(frozenset({2}), frozenset({2}))),
        (Leave(None), {1: "!gone"}, Undecided.NO_LONGER_OFFERED),
        (Keep(), {1: "!gone"}, Undecided.NO_LONGER_OFFERED),
    ],
)
def test_an_answer_decides_by_the_list_that_it_answers(
    reply: Leave | Keep, answered: dict[int, str], decision: Decision | Undecided
) -> None:
    assert decide(reply, answered=answered, offered=NEW) == decision
