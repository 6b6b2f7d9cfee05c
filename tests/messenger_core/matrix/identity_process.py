"""A process that opens an account's device and uses its store until it is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from joserfc.jwk import ECKey

from messenger_core.service_auth.keys import read_private_key
from tests.bare_homeserver import Homeserver
from tests.messenger_core.matrix.identity_scene import Account, key_count, unused_fallback


async def _run(account: Account) -> None:
    while True:
        sys.stdout.write("opening\n")
        sys.stdout.flush()
        async with account.device() as (own, calls):
            for _ in range(3):
                async with own.generations.step():
                    own.machine.save_account()
                await own.keys.maintain(
                    one_time_keys=await key_count(calls), fallback_unused=await unused_fallback(calls)
                )


def main() -> None:
    url, key_file, folder, name = sys.argv[1:]
    key: ECKey = read_private_key(Path(key_file))
    homeserver = Homeserver(url, key, Path(key_file), Path(folder))
    asyncio.run(_run(Account(homeserver, Path(folder), name)))


if __name__ == "__main__":
    main()
