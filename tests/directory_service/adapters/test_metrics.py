"""The directory's figures tell how long people wait, and nothing of what they look for."""

from __future__ import annotations

from tests.directory_service.bench import Directory


async def test_the_figures_tell_of_the_event_loop_and_the_practices(directory: Directory) -> None:
    await directory.practice_joins()
    assert await directory.found("sommer") != []
    async with directory.http.get(f"{directory.url}/metrics") as answer:
        assert answer.status == 200
        told = await answer.text()
    assert "hek_directory_listed_practices 1.0" in told
    assert "hek_event_loop_longest_wait_seconds " in told
    assert "hek_directory_long_searches 0.0" in told
    assert "sommer" not in told.lower()
