"""How much work a request may ask for, over all its parameters: counted before anything is looked for.

A unit is about one comparison with one practice. Sixty-four parameters of sixty-four alternatives would ask for
thousands of each practice, and there are hundreds of thousands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from directory_service.rules.fhir.values import FaultyParameter

MOST_WORK = 256
_TEXTS = frozenset({"_text", "_content", "text", "location"})
_A_WORD = 4
"""A word is looked up with its typing errors, and joined with the other words."""
_WORD = re.compile(r"\w+")


def work_of(name: str, value: str) -> int:
    """What one parameter asks for, or somewhat more: a comma that is escaped separates nothing, and is counted."""
    if name in _TEXTS:
        return _A_WORD * len(_WORD.findall(value))
    return 1 + value.count(",")


def check_work(parameters: Iterable[tuple[str, str]]) -> None:
    """Looks at a whole request.

    Raises:
        FaultyParameter: ``too-much-work``, with the parameter that was too much.
    """
    work = 0
    for name, value in parameters:
        work += work_of(name, value)
        if work > MOST_WORK:
            raise FaultyParameter(name, "too-much-work")
