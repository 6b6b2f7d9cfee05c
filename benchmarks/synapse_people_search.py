"""How Synapse's own user directory finds the same names: its way of reading a search, on SQLite's full text search."""

from __future__ import annotations

import random
import sqlite3
import time

from synapse.storage.databases.main.user_directory import _parse_query_sqlite
from synapse.storage.engines.sqlite import _rank

from benchmarks.directory_queries import Known, has_umlaut, spelled_out, with_one_error

_BEST = "SELECT user_id FROM words WHERE value MATCH ? ORDER BY rank(matchinfo(words)) DESC, user_id LIMIT 11"
_FOUND = "SELECT 1 FROM words WHERE value MATCH ? AND user_id = ?"


def synapse_figures(known: Known, samples: int) -> dict[str, float]:
    """Times of a prefix search, and how often a practice is found by its misspelt surname."""
    database = sqlite3.connect(":memory:")
    database.create_function("rank", 1, _rank)
    database.execute("CREATE VIRTUAL TABLE words USING fts4(user_id, value)")
    database.executemany(
        "INSERT INTO words VALUES (?, ?)",
        ((practice.user_id, f"{practice.user_id} {practice.profile.name.lower()}") for practice, _ in known),
    )
    chance = random.Random(11)  # noqa: S311 - not a secret
    sample = chance.sample(known, samples)
    times = []
    for _, surname in sample:
        begun = time.perf_counter()
        database.execute(_BEST, (_parse_query_sqlite(surname[:4]),)).fetchall()
        times.append((time.perf_counter() - begun) * 1000)
    times.sort()
    with_umlauts = chance.sample([one for one in known if has_umlaut(one[1])], samples)
    typed = {
        "edit": [(practice, with_one_error(surname, chance)) for practice, surname in sample],
        "umlaut": [(practice, spelled_out(surname)) for practice, surname in with_umlauts],
    }
    figures = {"synapse_p50_ms_prefix": times[len(times) // 2], "synapse_p99_ms_prefix": times[int(len(times) * 0.99)]}
    for kind, searches in typed.items():
        found = 0
        for practice, text in searches:
            found += database.execute(_FOUND, (_parse_query_sqlite(text), practice.user_id)).fetchone() is not None
        figures[f"synapse_recall_{kind}"] = found / len(searches)
    database.close()
    return figures
