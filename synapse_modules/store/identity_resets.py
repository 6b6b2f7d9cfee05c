"""Resets of cross-signing identities that clients asked for: which device, which keys, and whether she approved."""

from __future__ import annotations

from dataclasses import dataclass

from synapse_modules.store.interaction import Database, Transaction


@dataclass(frozen=True, slots=True)
class IdentityReset:
    """A row; moments are in milliseconds since 1970.

    Attributes:
        keys_hash: of the keys that the client posted: others do not ride on the approval.
    """

    user_id: str
    device_id: str
    keys_hash: str
    asked_at: int


class IdentityResets:
    """One row a device at most; an approval is used once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, reset: IdentityReset, *, forget_before: int) -> None:
        """Writes down what a device asks for; that it asks again for the same changes nothing.

        Args:
            reset: what is asked for.
            forget_before: what was asked before is forgotten, whosever it is.
        """

        def work(txn: Transaction) -> None:
            txn.execute(
                "SELECT 1 FROM hek_identity_reset WHERE user_id = ? AND device_id = ? AND keys_hash = ?"
                " AND asked_at >= ?",
                (reset.user_id, reset.device_id, reset.keys_hash, forget_before),
            )
            if txn.fetchone() is not None:
                # Clients ask twice a second until it is approved.
                return
            txn.execute(
                "DELETE FROM hek_identity_reset WHERE asked_at < ? AND (approved_at IS NULL OR approved_at < ?)",
                (forget_before, forget_before),
            )
            txn.execute(
                "DELETE FROM hek_identity_reset WHERE user_id = ? AND device_id = ?",
                (reset.user_id, reset.device_id),
            )
            txn.execute(
                "INSERT INTO hek_identity_reset (user_id, device_id, keys_hash, asked_at) VALUES (?, ?, ?, ?)",
                (reset.user_id, reset.device_id, reset.keys_hash, reset.asked_at),
            )

        await self._database.run("hek_reset_ask", work)

    async def asked_for(self, user_id: str, *, since: int) -> list[IdentityReset]:
        """What a person's devices ask for and is not approved yet, the last one first."""

        def work(txn: Transaction) -> list[IdentityReset]:
            txn.execute(
                "SELECT user_id, device_id, keys_hash, asked_at FROM hek_identity_reset"
                " WHERE user_id = ? AND asked_at >= ? AND approved_at IS NULL ORDER BY asked_at DESC",
                (user_id, since),
            )
            return [IdentityReset(*row) for row in txn.fetchall()]

        return await self._database.run("hek_resets_asked", work)

    async def approve(self, user_id: str, device_id: str, keys_hash: str, *, at: int, since: int) -> bool:
        """Approves what a device asked for; False if it does not ask for that any more."""

        def work(txn: Transaction) -> bool:
            txn.execute(
                "UPDATE hek_identity_reset SET approved_at = ? WHERE user_id = ? AND device_id = ? AND keys_hash = ?"
                " AND asked_at >= ? AND approved_at IS NULL",
                (at, user_id, device_id, keys_hash, since),
            )
            return txn.rowcount == 1

        return await self._database.run("hek_reset_approve", work)

    async def use(self, reset: IdentityReset, *, since: int) -> bool:
        """Uses an approval up; whether there was one for this device and these keys.

        Args:
            reset: what the device does now.
            since: an older approval is none.
        """

        def work(txn: Transaction) -> bool:
            txn.execute(
                "DELETE FROM hek_identity_reset WHERE user_id = ? AND device_id = ? AND keys_hash = ?"
                " AND approved_at >= ?",
                (reset.user_id, reset.device_id, reset.keys_hash, since),
            )
            return txn.rowcount == 1

        return await self._database.run("hek_reset_use", work)
