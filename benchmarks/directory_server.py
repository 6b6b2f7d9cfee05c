"""The directory's real search route over made-up practices, as a process: ``--count N``.

Its first line says where it serves, how the index was built and what it finds. A line ``writes N`` on its input has it
change N practices a second from then on; the answer says how many a second there were before that line.
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
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.directory_queries import COUNT, Known, has_umlaut, spelled_out, with_one_error
from benchmarks.directory_writes import obey, stored
from benchmarks.made_up_practices import practices
from directory_service.adapters.account_locks import AccountLocks
from directory_service.adapters.account_standings import AccountStandings, PracticeRights
from directory_service.adapters.fhir_interface import fhir_search
from directory_service.adapters.fhir_refusals import outcomes
from directory_service.adapters.patient_search_api import PatientSearchApi
from directory_service.adapters.postcode_file import read_postcodes
from directory_service.adapters.search_tokens import SearchTokens
from directory_service.adapters.specialty_file import read_specialties
from directory_service.rules.folding import words
from directory_service.search.held import Held
from directory_service.search.index.entry import Indexer
from directory_service.search.index.practice_index import PracticeIndex
from directory_service.search.index.query import SearchQuery
from directory_service.search.medical_words import MedicalWords
from directory_service.store.practices import PracticeStore
from messenger_core.catalogue import Catalogue
from messenger_core.http_service import new_application, new_runner
from messenger_core.service_auth.client import ServiceClient
from messenger_core.service_auth.keys import generate_private_key

_SAMPLES = 600


def _memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def build(known: Known) -> tuple[Held, dict[str, float]]:
    """Made-up practices with their index; the time that the index takes, and what it adds to the memory."""
    specialties = read_specialties()
    indexer = Indexer(specialties, read_postcodes())
    medical = MedicalWords(specialties)
    held = Held(indexer, PracticeIndex(medical.knows, medical.instead))
    gc.collect()
    before, begun = _memory_mb(), time.perf_counter()
    held.index.load(indexer.entry(practice) for practice, _ in known)
    seconds = time.perf_counter() - begun
    gc.collect()
    figures = {"index_build_s": seconds, "index_memory_mb": _memory_mb() - before}
    for practice, _ in known:
        held.listing.put(practice)
    return held, figures


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


async def _served(runner: web.AppRunner) -> int:
    """The free port of this machine at which an application is served."""
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port: int = runner.addresses[0][1]
    return port


class _NobodyIsLocked(AccountLocks):
    """As if the homeserver had told of no lock."""

    @property
    def known(self) -> bool:
        return True


async def _no_sessions(_user_ids: Sequence[str]) -> None:
    """Nobody is signed in."""


async def serve(count: int) -> None:
    """Builds, tells, and serves until its input ends."""
    known = list(practices(count))
    held, figures = build(known)
    figures |= recall(held.index, known) | {"distinct_surnames": len({surname for _, surname in known})}
    gc.collect()
    gc.freeze()
    key = generate_private_key()
    tokens = SearchTokens("https://directory.example", key)
    homeserver = ServiceClient(client_id="none", key=key, base_url="http://127.0.0.1:1", token_endpoint="none")
    app = new_application()
    app.middlewares.insert(0, outcomes)
    search = fhir_search(
        listing=held.listing,
        index=held.index,
        specialties=read_specialties(),
        tokens=tokens,
        standings=AccountStandings(
            _NobodyIsLocked(homeserver, end_sessions=_no_sessions), PracticeRights(), cast("PracticeStore", None)
        ),
        texts=Catalogue.of("directory_service"),
    )
    PatientSearchApi(search).add_to(app)
    figures["process_memory_before_preparation_mb"], begun = _memory_mb(), time.perf_counter()
    await search.prepare()
    figures["preparation_s"] = time.perf_counter() - begun
    gc.freeze()
    plain = web.Application()
    plain.router.add_get("/hello", _hello)
    runner, plain_runner = new_runner(app), web.AppRunner(plain, access_log=None)
    port, hello_port = await _served(runner), await _served(plain_runner)
    figures["memory_mb"] = _memory_mb()
    token = tokens.issue("@someone:made-up.example", "insured", datetime.now(UTC))
    told = {"port": port, "hello_port": hello_port, "token": token, "figures": figures}
    with TemporaryDirectory() as folder:
        database = f"sqlite:///{folder}/directory.db"
        async with stored(held, known, database) as writer:
            print(json.dumps(told | {"database": database}), flush=True)  # noqa: T201 - read by the benchmark
            await obey(writer)
    await runner.cleanup()
    await plain_runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    asyncio.run(serve(parser.parse_args().count))
