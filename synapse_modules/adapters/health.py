"""Whether this process can do its work: its background tasks run, and database and disk can be written."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from synapse.module_api import ModuleApi

from messenger_core.log import fault_without_text
from synapse_modules.adapters.background import BackgroundTasks, logger
from synapse_modules.store.interaction import Database, Transaction

_PROBE_BYTES = 64 * 1024
_SILENT_AFTER_S = 60.0


class HealthFault(StrEnum):
    """What ``/health`` says is wrong; which task or folder it is, the log says."""

    BACKGROUND_TASKS = "background-tasks"
    DATABASE = "database"
    DISK = "disk"


class Storage:
    """Writes a little into the database and into every folder that this process writes to, now and then."""

    def __init__(self, api: ModuleApi, database: Database, folders: Sequence[Path]) -> None:
        self._api = api
        self._database = database
        self._folders = folders
        self._faults: frozenset[HealthFault] = frozenset()
        self._looked_at_s = time.monotonic()

    @property
    def faults(self) -> frozenset[HealthFault]:
        """What could not be written; a database that has not answered for a minute counts as one."""
        is_silent = time.monotonic() - self._looked_at_s > _SILENT_AFTER_S
        return self._faults | {HealthFault.DATABASE} if is_silent else self._faults

    async def try_writing(self) -> None:
        """One round; what fails is logged when it begins to."""
        faults = set()
        try:
            await self._database.run("hek_try_writing", _write)
        except Exception as fault:  # noqa: BLE001 - each driver has an error of its own
            faults.add(HealthFault.DATABASE)
            self._log(HealthFault.DATABASE, fault)
        try:
            await self._api.defer_to_thread(self._write_files)
        except OSError as fault:
            faults.add(HealthFault.DISK)
            self._log(HealthFault.DISK, fault)
        self._faults = frozenset(faults)
        self._looked_at_s = time.monotonic()

    def _log(self, what: HealthFault, fault: Exception) -> None:
        if what not in self._faults:
            logger.error("the %s cannot be written: %s", what.value, fault_without_text(fault))

    def _write_files(self) -> None:
        for folder in self._folders:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(_PROBE_BYTES))
                file.flush()
                # A full disk may be noticed only now.
                os.fsync(file.fileno())


def _write(txn: Transaction) -> None:
    # A table of ours that nothing else writes to while the homeserver runs.
    txn.execute("UPDATE hek_schema SET version = version")


class Health:
    """What ``/health`` answers."""

    def __init__(self, tasks: BackgroundTasks, storage: Storage) -> None:
        self._tasks = tasks
        self._storage = storage

    @property
    def faults(self) -> list[str]:
        """What is wrong; empty if all is well."""
        down = {HealthFault.BACKGROUND_TASKS} if self._tasks.down else set()
        return sorted(fault.value for fault in self._storage.faults | down)
