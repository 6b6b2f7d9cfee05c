"""The directory's process: ``python -m directory_service --config FILE``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from directory_service.app import run
from directory_service.settings import DirectorySettings
from messenger_core.log import fault_without_text, log_to_stderr
from messenger_core.settings import SettingsError, load_settings


def main() -> int:
    """Runs until SIGTERM or SIGINT.

    Returns:
        The exit code: 0, 2 if the settings cannot be used, 1 for any other failure.
    """
    parser = argparse.ArgumentParser(prog="python -m directory_service", description="The directory of practices.")
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="the settings (YAML)")
    arguments = parser.parse_args()
    log_to_stderr()
    try:
        asyncio.run(run(load_settings(DirectorySettings, arguments.config)))
    except SettingsError as fault:
        print(fault, file=sys.stderr)  # noqa: T201 - the operator at the terminal reads it
        return 2
    except Exception as fault:  # noqa: BLE001 - a traceback could quote a person's data
        print(f"stopped: {fault_without_text(fault)}", file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
