"""The devices of a person as she sees them herself: those of every way to sign in."""

from __future__ import annotations

from dataclasses import dataclass

from synapse_modules.store.interaction import Database, Transaction


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """A device.

    Attributes:
        name: what its client or its person called it; empty if nobody did.
        last_seen_at: in milliseconds since 1970; None if it never came back.
        client_host: of the client, if it signed in by the OAuth API.
    """

    device_id: str
    name: str
    last_seen_at: int | None
    client_host: str | None


class OwnDevices:
    """Reads alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user_id: str) -> list[OwnDevice]:
        """All devices of a person, the one seen last first."""

        def work(txn: Transaction) -> list[OwnDevice]:
            txn.execute(
                "SELECT d.device_id, d.display_name, d.last_seen, s.client_host FROM devices d"
                " LEFT JOIN hek_oauth_session s ON s.user_id = d.user_id AND s.device_id = d.device_id"
                " WHERE d.user_id = ? AND NOT d.hidden",
                (user_id,),
            )
            found = [OwnDevice(device_id, name or "", seen, host) for device_id, name, seen, host in txn.fetchall()]
            return sorted(found, key=lambda one: (-(one.last_seen_at or 0), one.device_id))

        return await self._database.run("hek_own_devices", work)
