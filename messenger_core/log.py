"""What may stand in a log: levels, component, and faults without the text that could name a person."""

from __future__ import annotations

import logging
import sys
import traceback

_MOST_FRAMES = 40
"""Of one fault; an endless recursion has a thousand, and its first and last twenty say all."""
_MOST_FAULTS = 8
"""Of a chain of causes, or of a group."""


def fault_without_text(fault: BaseException) -> str:
    """A fault as its type and the way to it; its message may quote a person's data and is left out.

    Returns:
        ``KeyError at app.py:31 > adapters/pages.py:112``: every frame as file and line, the outermost first; behind
        it what caused it, what was being handled when it came up, and the members of a group.
    """
    return _shown(fault, set())


def _shown(fault: BaseException, seen: set[int]) -> str:
    seen.add(id(fault))
    frames = traceback.extract_tb(fault.__traceback__)
    steps = [f"{'/'.join(frame.filename.rsplit('/', 2)[-2:])}:{frame.lineno}" for frame in frames]
    if len(steps) > _MOST_FRAMES:
        half = _MOST_FRAMES // 2
        steps = [*steps[:half], f"({len(steps) - _MOST_FRAMES} more)", *steps[-half:]]
    said = f"{type(fault).__name__}{' at ' if steps else ''}{' > '.join(steps)}"
    if isinstance(fault, BaseExceptionGroup):
        members = [_shown(member, seen) for member in fault.exceptions[:_MOST_FAULTS] if id(member) not in seen]
        said = f"{said} of [{'; '.join(members)}]"
    context = None if fault.__suppress_context__ else fault.__context__
    before, how = (fault.__cause__, "caused by") if fault.__cause__ else (context, "while handling")
    if before is None or id(before) in seen or len(seen) >= _MOST_FAULTS:
        return said
    return f"{said}, {how} {_shown(before, seen)}"


def log_to_stderr(level: int = logging.INFO) -> None:
    """Sets up logging of a component's process.

    nio's loggers print decrypted content when an event does not fit their schema, so only their critical lines pass.
    The same holds for aiohttp's server: it quotes requests that are no HTTP, or too long, with search text and tokens.
    """
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("nio").setLevel(logging.CRITICAL)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
