"""A request asks for so much and no more, over all its parameters."""

from __future__ import annotations

import pytest

from directory_service.rules.fhir.values import FaultyParameter
from directory_service.search.fhir.work import MOST_WORK, check_work


@pytest.mark.parametrize(
    "parameters",
    [
        [],
        [("name:contains", ",".join(["a"] * MOST_WORK))],
        [("name", "a")] * MOST_WORK,
        [("_text", " ".join(["praxis"] * (MOST_WORK // 4)))],
    ],
)
def test_as_much_as_is_allowed(parameters: list[tuple[str, str]]) -> None:
    check_work(parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        [("name", "a"), ("name:contains", ",".join(["a"] * MOST_WORK))],
        [("name", "a,b")] * (MOST_WORK // 2) + [("city", "a")],
        [("_text", " ".join(["praxis"] * (MOST_WORK // 4))), ("city", "a")],
        [("_text", "praxis-" * (MOST_WORK // 4) + "praxis")],
        [("text", "a b"), ("location", "c d")] * (MOST_WORK // 16) + [("city", "a")],
    ],
)
def test_one_more_is_refused_by_name(parameters: list[tuple[str, str]]) -> None:
    with pytest.raises(FaultyParameter) as fault:
        check_work(parameters)
    assert (fault.value.parameter, fault.value.reason) == (parameters[-1][0], "too-much-work")
