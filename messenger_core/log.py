"""What may stand in a log: levels, component, and faults without the text that could name a person."""

from __future__ import annotations

import logging
import sys
import traceback


def fault_without_text(fault: BaseException) -> str:
    """A fault as its type and the place where it was raised; its message may quote a person's data and is left out."""
    frames = traceback.extract_tb(fault.__traceback__)
    where = f" at {frames[-1].filename.rsplit('/', 2)[-1]}:{frames[-1].lineno}" if frames else ""
    cause = f", caused by {fault_without_text(fault.__cause__)}" if fault.__cause__ else ""
    return f"{type(fault).__name__}{where}{cause}"


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
