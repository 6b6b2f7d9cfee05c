"""How the suite runs: what is shared by a process, what comes first, a quick choice, and any other order."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

# The system tests share one sandbox; these of them have servers of their own.
_SANDBOX = "tests/system"
_OWN_SERVERS = {
    "tests/system/test_attack_routes.py",
    "tests/system/test_long_outages.py",
    "tests/system/test_nothing_lost.py",
}
# What takes longest comes first, so that at the end no process works while the other has nothing left. Measured with
# --durations=0; whatever is not named takes less than 20 seconds.
_LONGEST_FIRST = (
    _SANDBOX,
    "tests/security/test_table.py",
    "tests/system/test_attack_routes.py",
    "tests/system/test_long_outages.py",
    "tests/messenger_core/matrix/test_hostile_room.py",
    "tests/synapse_modules/test_membership_killed.py",
    "tests/system/test_nothing_lost.py",
    "tests/messenger_core/matrix/test_independent_client.py",
    "tests/directory_service/pages/test_search_page.py",
    "tests/synapse_modules/test_federated_chats.py",
    "tests/synapse_modules/test_federation_of_workers.py",
    "tests/synapse_modules/test_half_made_rooms.py",
    "tests/synapse_modules/test_federation_killed.py",
    "tests/messenger_core/matrix/test_session_start.py",
    "tests/directory_service/pages/test_practice_page.py",
    "tests/messenger_core/matrix/test_hostile_to_device.py",
    "tests/synapse_modules/test_locked.py",
    "tests/synapse_modules/test_insured_only_rooms.py",
    "tests/directory_service/test_import_command.py",
)
_QUICK = {"rules", "search", "store"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of this suite."""
    group = parser.getgroup("HEK Messenger")
    group.addoption("--quick", action="store_true", help="only rules, search, and stores on SQLite")
    group.addoption("--shuffle", type=int, metavar="SEED", help="run files, and the tests in them, in another order")


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _scope(nodeid: str) -> str:
    file = _file(nodeid)
    return _SANDBOX if file.startswith(f"{_SANDBOX}/") and file not in _OWN_SERVERS else file


class _OneProcessForWhatIsShared(LoadScopeScheduling):  # type: ignore[misc]
    """Shares the tests out by file, so that what a file sets up is set up once."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """How several processes (``pytest -n 2``) share the tests; in the order in which they were collected."""
    config.option.loadscopereorder = False
    return _OneProcessForWhatIsShared(config, log)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What is not quick is not even read."""
    if not config.getoption("--quick") or collection_path.is_dir():
        return None
    return None if not _QUICK.isdisjoint(collection_path.parts) else True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Puts the tests in their order, the same in every process."""
    if config.getoption("--quick"):
        items[:] = [item for item in items if "postgresql" not in item.nodeid]
    ranks = {scope: rank for rank, scope in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(_scope(item.nodeid), len(ranks)))
    seed = config.getoption("--shuffle")
    if seed is not None:
        _shuffle(items, random.Random(seed))


def _shuffle(items: list[pytest.Item], order: random.Random) -> None:
    """Another order of the scopes, of the files in each, and of the tests in each file, which stay together."""
    scopes: dict[str, dict[str, list[pytest.Item]]] = {}
    for item in items:
        scopes.setdefault(_scope(item.nodeid), {}).setdefault(_file(item.nodeid), []).append(item)
    items.clear()
    for scope in order.sample(sorted(scopes), len(scopes)):
        files = scopes[scope]
        for file in order.sample(sorted(files), len(files)):
            items += order.sample(files[file], len(files[file]))
