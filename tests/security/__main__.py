"""``python -m tests.security --write``: brings the table of docs/security.md up to the rows that are tried."""

from __future__ import annotations

import argparse

from tests.security.table import DOCUMENT, TABLE, with_rows


def main() -> None:
    """Writes the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", required=True, help="write the document")
    parser.parse_args()
    DOCUMENT.write_text(with_rows(DOCUMENT.read_text(encoding="utf-8"), TABLE), encoding="utf-8")


if __name__ == "__main__":
    main()
