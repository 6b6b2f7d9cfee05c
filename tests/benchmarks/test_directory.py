"""The directory's benchmark says from how many practices on it measures, instead of failing amid its work."""

import sys

import pytest

from benchmarks import directory


def test_so_few_practices_that_bundles_are_not_full_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["directory.py", "--count", str(directory.FEWEST - 1)])
    with pytest.raises(SystemExit) as ended:
        directory.main()
    assert str(ended.value).endswith(f"allowed is {directory.FEWEST} or more")
    assert "\n" not in str(ended.value)


def test_from_there_on_it_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def measured(count: int, *, quick: bool) -> dict[str, float]:
        asked.append(count)
        return {}

    monkeypatch.setattr(directory, "run", measured)
    monkeypatch.setattr(directory, "table", lambda _figures: [])
    monkeypatch.setattr(sys, "argv", ["directory.py", "--count", str(directory.FEWEST)])
    directory.main()
    assert asked == [directory.FEWEST]
