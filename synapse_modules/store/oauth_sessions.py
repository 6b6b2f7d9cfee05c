"""Sessions of clients that signed in by Matrix's OAuth API: which device is whose, beside Synapse's own tokens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from synapse_modules.store.interaction import Database, Transaction

_COLUMNS = "user_id, device_id, client_hash, client_host, family_hash, proof_hash, created_at"

_HAS_DEVICE = (
    "EXISTS (SELECT 1 FROM devices d"
    " WHERE d.user_id = hek_oauth_session.user_id AND d.device_id = hek_oauth_session.device_id)"
)

_BY_DEVICE = f"SELECT {_COLUMNS} FROM hek_oauth_session WHERE user_id = ? AND device_id = ?"  # noqa: S608 - our own names
_BY_FAMILY = f"SELECT {_COLUMNS} FROM hek_oauth_session WHERE family_hash = ? AND {_HAS_DEVICE}"  # noqa: S608
_BY_PROOF = f"SELECT {_COLUMNS} FROM hek_oauth_session WHERE proof_hash = ?"  # noqa: S608


@dataclass(frozen=True, slots=True)
class OAuthSession:
    """A row.

    Attributes:
        client_hash: of the client's id.
        client_host: of its ``client_uri``.
        family_hash: of the secret in all refresh tokens of the session.
        proof_hash: of the login token that its code stood on, so that no code begins two sessions.
        created_at: in milliseconds since 1970.
    """

    user_id: str
    device_id: str
    client_hash: str
    client_host: str
    family_hash: str
    proof_hash: str
    created_at: int


class Beginning(Enum):
    """What came of a session that was to begin."""

    NEW_DEVICE = "new device"
    SAME_DEVICE = "same device"
    DEVICE_OF_OTHERS = "device of others"
    CODE_USED = "code used"


def _first(txn: Transaction, select: str, *values: str) -> OAuthSession | None:
    txn.execute(select, values)
    row = txn.fetchone()
    return OAuthSession(*row) if row is not None else None


class OAuthSessions:
    """One row a device."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, session: OAuthSession) -> Beginning:
        """Writes a session down before its device is made or signed in anew.

        A device that is there already belongs to the session's client, or to others: then nothing is written.
        """

        def work(txn: Transaction) -> Beginning:
            if _first(txn, _BY_PROOF, session.proof_hash) is not None:
                return Beginning.CODE_USED
            before = _first(txn, _BY_DEVICE, session.user_id, session.device_id)
            txn.execute(
                "SELECT 1 FROM devices WHERE user_id = ? AND device_id = ?", (session.user_id, session.device_id)
            )
            there = txn.fetchone() is not None
            if there and (before is None or before.client_host != session.client_host):
                return Beginning.DEVICE_OF_OTHERS
            if before is not None:
                txn.execute(
                    "DELETE FROM hek_oauth_session WHERE user_id = ? AND device_id = ? AND proof_hash = ?",
                    (before.user_id, before.device_id, before.proof_hash),
                )
            txn.execute(
                f"INSERT INTO hek_oauth_session ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",  # noqa: S608
                (
                    session.user_id,
                    session.device_id,
                    session.client_hash,
                    session.client_host,
                    session.family_hash,
                    session.proof_hash,
                    session.created_at,
                ),
            )
            if txn.rowcount != 1:
                return Beginning.CODE_USED
            return Beginning.SAME_DEVICE if there else Beginning.NEW_DEVICE

        return await self._database.run("hek_oauth_begin", work)

    async def find_by_family(self, family_hash: str) -> OAuthSession | None:
        """The session whose refresh tokens hold a secret; None once its device is gone."""
        return await self._find(_BY_FAMILY, family_hash)

    async def find_by_proof(self, proof_hash: str) -> OAuthSession | None:
        """The session that began with a code."""
        return await self._find(_BY_PROOF, proof_hash)

    async def find_by_device(self, user_id: str, device_id: str) -> OAuthSession | None:
        """The session of a device."""
        return await self._find(_BY_DEVICE, user_id, device_id)

    async def _find(self, select: str, *values: str) -> OAuthSession | None:
        return await self._database.run("hek_oauth_session", lambda txn: _first(txn, select, *values))

    async def device_is_of_others(self, user_id: str, device_id: str, client_host: str) -> bool:
        """Whether a device is there that another client, or none of this API, signed in."""

        def work(txn: Transaction) -> bool:
            txn.execute("SELECT 1 FROM devices WHERE user_id = ? AND device_id = ?", (user_id, device_id))
            if txn.fetchone() is None:
                return False
            session = _first(txn, _BY_DEVICE, user_id, device_id)
            return session is None or session.client_host != client_host

        return await self._database.run("hek_oauth_device", work)

    async def end(self, session: OAuthSession) -> None:
        """Forgets a session; not one that began after it on the same device."""
        await self._database.run(
            "hek_oauth_end",
            lambda txn: txn.execute("DELETE FROM hek_oauth_session WHERE proof_hash = ?", (session.proof_hash,)),
        )

    async def any_left(self) -> bool:
        """Whether there is a session."""

        def work(txn: Transaction) -> bool:
            txn.execute("SELECT 1 FROM hek_oauth_session LIMIT 1")
            return txn.fetchone() is not None

        return await self._database.run("hek_oauth_any", work)

    async def forget_without_device(self, *, begun_before: int) -> int:
        """Forgets sessions whose device is gone, however it went; how many.

        Args:
            begun_before: in milliseconds since 1970; the device of a younger session may be being made.
        """

        def work(txn: Transaction) -> int:
            txn.execute(
                f"DELETE FROM hek_oauth_session WHERE created_at < ? AND NOT {_HAS_DEVICE}",  # noqa: S608 - our own words
                (begun_before,),
            )
            return txn.rowcount

        return await self._database.run("hek_oauth_forget", work)
