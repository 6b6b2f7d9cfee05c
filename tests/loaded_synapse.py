"""Loads Synapse once, so that its processes can be forked (``synapse_process``); imported in the forking process alone.

Twisted's reactor cannot be shared with forks: each makes its own. Synapse does the same for tests that start many.
"""

from __future__ import annotations

import gc
import importlib
import sys

from synapse.app.complement_fork_proxied_reactor import ProxiedReactor
from twisted.internet.main import installReactor

_REACTOR = ProxiedReactor()
installReactor(_REACTOR)  # type: ignore[no-untyped-call]

for _module in (
    "synapse.app.homeserver",
    "synapse.app.generic_worker",
    "synapse.storage.engines",
    "psycopg2",
    "synapse_modules.app",
):
    importlib.import_module(_module)
# What is loaded stays as long as the process, and is shared with every fork.
gc.freeze()


def run(app: str, arguments: list[str]) -> None:
    """Runs one of Synapse's apps to its end, in a fork."""
    from twisted.internet.epollreactor import EPollReactor

    sys.argv = [app, *arguments]
    _REACTOR._install_real_reactor(EPollReactor())  # type: ignore[no-untyped-call]
    sys.modules[app].main()
