"""What the homeserver learns: a signed delta of every change, once it was committed, and the client's own search."""

import asyncio
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, KeySet

from directory_service.store.practices import PracticeStore
from messenger_core.database import open_database
from tests.directory_service.bench import CONSENT, KEYS, PAUSE, PROFILE, SOMMER, WINTER, Directory
from tests.directory_service.store.made_up import NOW

ACCOUNT = f"@practice-{SOMMER[2:]}:messenger.example"


async def reachable(directory: Directory, query: str = "") -> dict[str, Any]:
    """The payload of a delta whose signature was checked with the keys that the directory publishes."""
    status, answer = await directory.as_homeserver("GET", f"/reachable{query}", "reachability:read")
    assert (status, set(answer)) == (200, {"delta"})
    async with directory.http.get(f"{directory.url}/.well-known/jwks.json") as published:
        keys = KeySet.import_key_set(await published.json())
    return dict(jwt.decode(answer["delta"], keys, algorithms=["ES256"]).claims)


def after(delta: dict[str, Any]) -> str:
    """The query that goes on from a delta."""
    return f"?since={delta['version']}&mark={delta['mark']}"


async def test_the_delta_is_signed_with_the_published_key_and_with_no_other(directory: Directory) -> None:
    delta = await reachable(directory)
    assert set(delta) == {"iss", "iat", "full", "since", "version", "mark", "add", "remove"}
    assert delta["iss"] == directory.url
    assert abs(delta["iat"] - time.time()) < 60
    _, answer = await directory.as_homeserver("GET", "/reachable", "reachability:read")
    with pytest.raises(BadSignatureError):
        jwt.decode(answer["delta"], KEYS.stranger, algorithms=["ES256"])


async def test_the_published_keys_are_public(directory: Directory) -> None:
    async with directory.http.get(f"{directory.url}/.well-known/jwks.json") as answer:
        (key,) = (await answer.json())["keys"]
    assert not ECKey.import_key(key).is_private
    assert key["kid"] == KEYS.signing.thumbprint()


async def test_search_and_reachable_set_move_together(directory: Directory) -> None:
    last = await reachable(directory)
    key = await directory.practice_joins(opts_in=False)
    assert (await reachable(directory, after(last)))["version"] == last["version"]
    assert await directory.found("sommer") == []

    steps = [
        ("/owner/visibility", CONSENT, True),
        ("/owner/visibility", PAUSE, False),
        ("/owner/visibility", CONSENT, True),
        ("/owner/withdraw", {}, False),
    ]
    for path, body, shown in steps:
        method = "POST" if path.endswith("withdraw") else "PUT"
        assert (await directory.as_practice(key, method, path, body))[0] == 200
        delta = await reachable(directory, after(last))
        assert (delta["full"], delta["since"], delta["version"]) == (False, last["version"], last["version"] + 1)
        assert (delta["add"], delta["remove"]) == (([ACCOUNT], []) if shown else ([], [ACCOUNT]))
        assert (await reachable(directory))["add"] == delta["add"]
        assert bool(await directory.found("sommer")) == shown
        last = delta


async def test_who_is_ahead_or_starts_gets_the_whole_set(directory: Directory) -> None:
    await directory.practice_joins()
    mark = (await reachable(directory))["mark"]
    queries = ["", "?since=0", "?since=0&wait=30", f"?since=999&mark={mark}", f"?since=999&mark={mark}&wait=30"]
    # What is not of this history of the directory, or does not say of which it is, is not gone on from.
    marks = ["", "x", "1-" + "f" * 64, mark.upper(), mark + "0", "9" * 40 + mark[1:], mark.replace("-", "%00-")]
    for query in (*queries, *(f"?since=2&mark={other}&wait=30" for other in marks), "?since=2&wait=30"):
        delta = await reachable(directory, query)
        assert (delta["full"], delta["since"], delta["add"], delta["remove"]) == (True, 0, [ACCOUNT], [])


async def test_who_waits_is_told_when_something_changes(directory: Directory) -> None:
    key = await directory.practice_joins()
    last = await reachable(directory)
    waiting = asyncio.create_task(reachable(directory, f"{after(last)}&wait=30"))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await directory.as_practice(key, "POST", "/owner/withdraw", {})
    delta = await asyncio.wait_for(waiting, 20)
    assert (delta["since"], delta["remove"]) == (last["version"], [ACCOUNT])


async def test_who_waits_is_told_of_a_change_that_another_replica_made(directory: Directory) -> None:
    await directory.practice_joins()
    last = await reachable(directory)
    waiting = asyncio.create_task(reachable(directory, f"{after(last)}&wait=30"))
    await asyncio.sleep(0.1)
    replica = await open_database(directory.settings.database, "directory_service")
    await PracticeStore(replica).withdraw(SOMMER, NOW)
    await replica.dispose()
    assert (await asyncio.wait_for(waiting, 20))["remove"] == [ACCOUNT]


async def test_who_waits_in_vain_gets_an_empty_delta(directory: Directory) -> None:
    last = await reachable(directory)
    delta = await reachable(directory, f"{after(last)}&wait=1")
    assert (delta["full"], delta["version"], delta["add"], delta["remove"]) == (False, last["version"], [], [])


FAULTY_QUERIES: list[str] = [
    "?since=-1",
    "?since=x",
    "?since=",
    "?wait=31",
    "?wait=-1",
    "?wait=0.5",
    "?page=2",
    "?since=1&since=2",
    f"?since={2**64}",
    f"?since=1&mark={'0' * 201}",
]


async def test_a_faulty_query_is_refused(directory: Directory) -> None:
    for query in FAULTY_QUERIES:
        status, answer = await directory.as_homeserver("GET", f"/reachable{query}", "reachability:read")
        assert (status, answer["title"]) == (400, "invalid query"), query


async def test_the_search_box_shows_name_specialty_and_place(directory: Directory) -> None:
    await directory.practice_joins(profile=PROFILE | {"specialties": ["ALLG", "INNE"]})
    status, answer = await directory.as_homeserver(
        "POST", "/people-search", "directory:search", {"term": "Hausarzt HAMBURG", "limit": 10}
    )
    shown = "Hausarztpraxis Dr. Sommer – Allgemeinmedizin / Innere Medizin, Hamburg"
    assert status == 200
    assert answer == {
        "limited": False,
        "results": [{"user_id": ACCOUNT, "display_name": shown, "reason": "exact"}],
        "meanings": [{"word": "Hausarzt", "specialties": ["Allgemeinmedizin", "Innere Medizin"]}],
    }


SPELLINGS: list[str] = [
    "Mueller",
    "muller hamburg",
    "MÜLER",
    "Müller Hausarzt",
    "arztpraxis müll",
    "Hausaerztin Mülller",
]


async def test_the_search_box_finds_every_spelling_and_forgives_a_typing_error(directory: Directory) -> None:
    await directory.practice_joins(profile=PROFILE | {"name": "Hausarztpraxis Dr. Müller", "specialties": ["ALLG"]})
    for term in SPELLINGS:
        assert len(await directory.found(term)) == 1, term
    for term in ("Mueller Berlin", "Müller Zahnarzt"):
        assert await directory.found(term) == [], term


async def test_the_search_box_says_when_there_is_more(directory: Directory) -> None:
    await directory.practice_joins(SOMMER)
    await directory.practice_joins(WINTER)
    for limit, limited in ((1, True), (2, False)):
        status, answer = await directory.as_homeserver(
            "POST", "/people-search", "directory:search", {"term": "hausarzt", "limit": limit}
        )
        assert (status, answer["limited"], len(answer["results"])) == (200, limited, limit)


WITHOUT_WORDS: list[str] = ["", "   ", "…", "\u0000", "%", "*"]


async def test_a_search_without_a_word_finds_nobody(directory: Directory) -> None:
    await directory.practice_joins()
    for term in WITHOUT_WORDS:
        assert await directory.found(term) == [], term


FAULTY_SEARCHES: list[tuple[dict[str, object], str]] = [
    ({"term": "x", "limit": 0}, "limit"),
    ({"term": "x", "limit": 51}, "limit"),
    ({"term": "x"}, "limit"),
    ({"term": 5, "limit": 1}, "term"),
    ({"term": "x" * 1001, "limit": 1}, "term"),
    ({"term": " ".join(map(str, range(40))), "limit": 1}, "term"),
]


async def test_a_faulty_search_is_refused_without_repeating_it(directory: Directory) -> None:
    for body, field in FAULTY_SEARCHES:
        status, answer = await directory.as_homeserver("POST", "/people-search", "directory:search", body)
        assert (status, [error["field"] for error in answer["errors"]]) == (400, [field]), body
        assert "xxx" not in str(answer)
