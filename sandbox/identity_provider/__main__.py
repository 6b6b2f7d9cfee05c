"""``python -m sandbox.identity_provider --config FILE``: runs the stand-in identity providers."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from messenger_core.http_service import serve_until_stopped
from messenger_core.log import log_to_stderr
from messenger_core.settings import SettingsError, load_settings
from sandbox.identity_provider.app import open_application
from sandbox.identity_provider.settings import IdentityProviderSettings


def main() -> int:
    """Runs until SIGTERM; 2 if the settings cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.identity_provider")
    parser.add_argument("--config", type=Path, required=True)
    arguments = parser.parse_args()
    log_to_stderr()
    try:
        settings = load_settings(IdentityProviderSettings, arguments.config)
        asyncio.run(_run(settings))
    except SettingsError as fault:
        print(fault, file=sys.stderr)  # noqa: T201 - the one line that an operator reads
        return 2
    return 0


async def _run(settings: IdentityProviderSettings) -> None:
    async with open_application(settings) as app:
        await serve_until_stopped(app, settings.listen)


if __name__ == "__main__":
    sys.exit(main())
