"""``python -m tests.security --write``: brings the tables of docs/security.md up to what the code says."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.security.limits import limits_as_markdown
from tests.security.table import ATTACKS, DOCUMENT, LIMITS, TABLE, as_markdown, with_part


def main() -> None:
    """Writes the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", required=True, help="write the document")
    parser.parse_args()
    text = with_part(DOCUMENT.read_text(encoding="utf-8"), ATTACKS, as_markdown(TABLE))
    with TemporaryDirectory() as folder:
        text = with_part(text, LIMITS, asyncio.run(limits_as_markdown(Path(folder))))
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
