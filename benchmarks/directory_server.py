"""The directory's real search route over made-up practices, as a process: ``--count N --port N``.

Its first line says how the index was built and what it finds; then it serves. A line ``writes N`` on its input has it
change N practices a second from then on.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.directory_queries import COUNT, Known, has_umlaut, spelled_out, with_one_error
from benchmarks.made_up_practices import practices
from directory_service.adapters.account_locks import AccountLocks
from directory_service.adapters.fhir_interface import fhir_search
from directory_service.adapters.patient_search_api import PatientSearchApi
from directory_service.adapters.postcode_file import read_postcodes
from directory_service.adapters.search_tokens import SearchTokens
from directory_service.adapters.specialty_file import read_specialties
from directory_service.rules.fhir.listing import Listing
from directory_service.rules.folding import words
from directory_service.rules.index.entry import IndexedPractice, Indexer
from directory_service.rules.index.practice_index import PracticeIndex
from directory_service.rules.index.query import SearchQuery
from messenger_core.catalogue import Catalogue
from messenger_core.service_auth.client import ServiceClient
from messenger_core.service_auth.keys import generate_private_key

_SAMPLES = 600


def _memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def build(count: int) -> tuple[PracticeIndex, dict[str, float]]:
    """An index of made-up practices; the time without that of making them up, and what it adds to the memory."""
    specialties = read_specialties()
    indexer = Indexer(specialties, read_postcodes())
    index = PracticeIndex(specialties.knows)
    spent = 0.0

    def entries() -> Iterator[IndexedPractice]:
        nonlocal spent
        made_up = practices(count)
        while True:
            begun = time.perf_counter()
            practice = next(made_up, None)
            spent += time.perf_counter() - begun
            if practice is None:
                return
            yield indexer.entry(practice[0])

    next(practices(1))
    gc.collect()
    before, begun = _memory_mb(), time.perf_counter()
    index.load(entries())
    seconds = time.perf_counter() - begun - spent
    gc.collect()
    return index, {"index_build_s": seconds, "index_memory_mb": _memory_mb() - before}


def recall(index: PracticeIndex, known: Known) -> dict[str, float]:
    """How often a practice is found by its misspelt surname: in the answer, and on its first page within 10 km."""
    chance = random.Random(11)  # noqa: S311 - not a secret
    sample = chance.sample(known, _SAMPLES)
    with_umlauts = chance.sample([one for one in known if has_umlaut(one[1])], _SAMPLES)
    typed = {
        "edit": [(practice, with_one_error(surname, chance)) for practice, surname in sample],
        "umlaut": [(practice, spelled_out(surname)) for practice, surname in with_umlauts],
        "both": [(practice, with_one_error(spelled_out(surname), chance)) for practice, surname in with_umlauts],
    }
    figures = {}
    for kind, searches in typed.items():
        found = first = 0
        for practice, text in searches:
            address, this = practice.profile.address, practice.resource_id
            asked = SearchQuery(words=words(text))
            found += index.search(replace(asked, only=frozenset({this})), count=1).total
            near = replace(asked, origin=address.position if address else None, within_m=10_000)
            first += this in {hit.resource_id for hit in index.search(near, count=COUNT).hits}
        figures[f"recall_{kind}"] = found / len(searches)
        figures[f"recall_first_page_{kind}"] = first / len(searches)
    return figures


async def _hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


class _Writer:
    """Changes practices while the others read."""

    def __init__(self, index: PracticeIndex, listing: Listing, known: Known) -> None:
        self._index, self._listing, self._known = index, listing, known
        self._indexer = Indexer(read_specialties(), read_postcodes())
        self._chance = random.Random(5)  # noqa: S311 - not a secret

    async def write(self, per_second: int) -> None:
        """Changes names and hours, of a practice each time, until it is cancelled."""
        while True:
            practice, _ = self._chance.choice(self._known)
            other, _ = self._chance.choice(self._known)
            changed = replace(practice, profile=replace(practice.profile, name=other.profile.name))
            self._listing.put(changed)
            self._index.put(self._indexer.entry(changed))
            await asyncio.sleep(1 / per_second)


async def serve(count: int, port: int) -> None:
    """Builds, tells, and serves until its input ends."""
    index, figures = build(count)
    known = list(practices(count))
    listing = Listing()
    for practice, _ in known:
        listing.put(practice)
    figures |= recall(index, known) | {"distinct_surnames": len({surname for _, surname in known})}
    gc.collect()
    gc.freeze()
    key = generate_private_key()
    tokens = SearchTokens("https://directory.example", key)
    homeserver = ServiceClient(client_id="none", key=key, base_url="http://127.0.0.1:1", token_endpoint="none")
    app = web.Application()
    app.router.add_get("/hello", _hello)
    search = fhir_search(
        listing=listing,
        index=index,
        specialties=read_specialties(),
        tokens=tokens,
        locks=AccountLocks(homeserver),
        texts=Catalogue.of("directory_service"),
    )
    PatientSearchApi(search).add_to(app)
    figures["process_memory_before_preparation_mb"], begun = _memory_mb(), time.perf_counter()
    await search.prepare()
    figures["preparation_s"] = time.perf_counter() - begun
    gc.freeze()
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    figures["process_memory_mb"] = _memory_mb()
    token = tokens.issue("@someone:made-up.example", "insured", datetime.now(UTC))
    print(json.dumps({"token": token, "figures": figures}), flush=True)  # noqa: T201 - read by the benchmark
    writer = _Writer(index, listing, known)
    writing: asyncio.Task[None] | None = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        if writing:
            writing.cancel()
        per_second = int(line.split()[1])
        writing = asyncio.create_task(writer.write(per_second)) if per_second else None
        print("{}", flush=True)  # noqa: T201 - as above
    await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.count, arguments.port))
