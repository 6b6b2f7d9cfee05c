"""What is waited out and what counts as refused: answers of the homeserver and faults of the database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from messenger_core.matrix.faults import FileUnreadable, NothingEncrypted, SendFailed
from messenger_core.matrix.receiving.gaps import read_page
from messenger_core.matrix.receiving.room_workers import is_outage
from messenger_core.matrix.store.intake import Gap


@pytest.mark.parametrize(
    ("fault", "outage"),
    [
        (SendFailed("no answer"), True),
        (SendFailed("limited", "M_LIMIT_EXCEEDED", 429), True),
        (SendFailed("broken", None, 502), True),
        (SendFailed("a token that ended", "M_UNKNOWN_TOKEN", 401), True),
        (SendFailed("a proxy's page", None, 403), True),
        (SendFailed("not in the room", "M_FORBIDDEN", 403), False),
        (SendFailed("too large", "M_TOO_LARGE", 413), False),
        (NothingEncrypted(), False),
        (FileUnreadable("missing"), False),
    ],
)
def test_what_the_homeserver_says_for_good_is_told_from_what_passes(fault: SendFailed, *, outage: bool) -> None:
    assert fault.outage is outage
    assert is_outage(fault) is outage


@pytest.mark.parametrize(
    ("kind", "outage"),
    [
        (sa.exc.OperationalError, True),
        (sa.exc.InterfaceError, True),
        (sa.exc.DBAPIError, True),
        (sa.exc.IntegrityError, False),
        (sa.exc.DataError, False),
        (sa.exc.ProgrammingError, False),
    ],
)
def test_row_01_a_database_that_is_away_parks_nothing(kind: type[sa.exc.DBAPIError], *, outage: bool) -> None:
    assert is_outage(kind("statement", None, Exception())) is outage


def test_a_fault_of_the_handler_is_no_outage() -> None:
    assert not is_outage(RuntimeError("a bug"))
    assert not is_outage(TimeoutError())


GAP = Gap("!room", 1, "t5", "s1", -1)


@pytest.mark.parametrize(
    ("page", "token"),
    [
        ({"chunk": [], "end": "t4"}, "t4"),
        ({"chunk": [], "end": "t5"}, None),
        ({"chunk": []}, None),
        ({"chunk": "x", "end": 7}, None),
    ],
)
def test_row_12_an_empty_page_is_not_the_end_as_long_as_it_names_more(page: dict[str, Any], token: str | None) -> None:
    events, further = read_page(GAP, page)
    assert events == []
    assert further == token
