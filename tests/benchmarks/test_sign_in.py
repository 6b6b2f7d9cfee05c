"""What the benchmark of signing in calculates; it is run as a whole by hand, since its figures need a quiet machine."""

from __future__ import annotations

import json

from benchmarks.sign_in import Way, figures, table
from tests.synapse_modules.stand_ins import OpenIdProvider


def _way(first_s: list[float], again_s: list[float]) -> Way:
    return Way("", "", OpenIdProvider(1), first_s, again_s)


def test_the_ratio_is_that_of_the_medians() -> None:
    found = figures(
        _way([0.04, 0.05, 0.9], [0.02, 0.03, 0.03]), _way([0.06, 0.06, 0.06], [0.03, 0.03, 0.03]), [0.1], [0.04]
    )
    assert found["median_ratio"] == round(0.09 / 0.08, 3)
    assert found["median_ratio_first"] == 1.2
    assert found["bare_first_ms"] == 50
    assert json.loads(json.dumps(found)) == found
    assert (found["federation_again_ms"], found["plain_oidc_again_ms"]) == (100, 40)
    assert "goal: at most 1.2" in table(found, 3)[-1]
