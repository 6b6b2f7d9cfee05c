"""The federation list as it was last taken, for all processes of the homeserver and for the next start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from synapse_modules.rules.errors import ModuleError
from synapse_modules.rules.federation_list import FederationList, ListedServer
from synapse_modules.store.interaction import Database, Transaction


@dataclass(frozen=True, slots=True)
class ListStamp:
    """Which list is stored, and when its publisher last said that there is no newer one (milliseconds; 0: never)."""

    version: int
    confirmed_at: int


class OlderList(ModuleError):  # noqa: N818 - reads as what happened
    """A list is older than the one that is stored; nothing was changed."""


class FederationLists:
    """One list at a time; its version never goes back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stamp(self) -> ListStamp:
        """What is stored."""
        return await self._database.run("hek_federation_stamp", _stamp)

    async def servers(self) -> tuple[ListStamp, Mapping[str, ListedServer]]:
        """The stored list by server name."""

        def work(txn: Transaction) -> tuple[ListStamp, Mapping[str, ListedServer]]:
            stamp = _stamp(txn)
            txn.execute("SELECT domain, is_insurance, iks FROM hek_federation_server")
            rows = txn.fetchall()
            return stamp, {row[0]: ListedServer(row[0], bool(row[1]), tuple(row[2].split())) for row in rows}

        return await self._database.run("hek_federation_servers", work)

    async def confirm(self, version: int, *, at: int) -> None:
        """Notes that the publisher has no newer list than a version; one that came meanwhile stays as it is."""

        def work(txn: Transaction) -> None:
            txn.execute(
                "UPDATE hek_federation_list SET confirmed_at = ? WHERE version = ? AND confirmed_at < ?",
                (at, version, at),
            )

        await self._database.run("hek_federation_confirm", work)

    async def replace(self, federation: FederationList, *, at: int) -> None:
        """Stores a verified list in place of the one that is there.

        Raises:
            OlderList: if the one that is there is newer.
        """

        def work(txn: Transaction) -> None:
            # The row is locked first, so that two processes that fetched at the same time follow one after the other.
            txn.execute(
                "UPDATE hek_federation_list SET version = ?, confirmed_at = ? WHERE version <= ?",
                (federation.version, at, federation.version),
            )
            if txn.rowcount == 0:
                raise OlderList
            txn.execute("DELETE FROM hek_federation_server")
            for server in federation.servers.values():
                txn.execute(
                    "INSERT INTO hek_federation_server (domain, is_insurance, iks) VALUES (?, ?, ?)",
                    (server.domain, int(server.is_insurance), " ".join(server.iks)),
                )

        await self._database.run("hek_federation_replace", work)


def _stamp(txn: Transaction) -> ListStamp:
    txn.execute("SELECT version, confirmed_at FROM hek_federation_list")
    row = txn.fetchone()
    assert row is not None
    return ListStamp(int(row[0]), int(row[1]))
