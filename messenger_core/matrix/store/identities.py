"""Store: whose identity is known, which of their devices it signed, and whether it is still the first one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from messenger_core.database import insert_into
from messenger_core.matrix.signatures.keys_answer import listed
from messenger_core.matrix.signatures.sender_trust import DeviceTrust, VouchedDevices, vouched_devices
from messenger_core.matrix.store.tables import session_tables

logger = logging.getLogger(__name__)


class Identities:
    """What one account knows of other people's cross-signing."""

    def __init__(self, engine: AsyncEngine, user_id: str) -> None:
        self._engine = engine
        self._user_id = user_id
        tables = session_tables(sa.MetaData())
        self._identity = tables.identity
        self._device = tables.signed_device

    async def take(self, answer: Mapping[str, Any]) -> frozenset[str]:
        """Keeps what an answer to ``/keys/query`` says of everybody in it.

        Returns:
            The people whose master key is not the first one, and was with the last answer.
        """
        people = {owner: vouched_devices(answer, owner) for owner in listed(answer, "device_keys") or {}}
        changed = set()
        if people:
            async with self._engine.begin() as connection:
                for owner, vouched in people.items():
                    if await self._keep(connection, owner, vouched):
                        changed.add(owner)
        if changed:
            logger.warning("%d people's cross-signing identity changed", len(changed))
        return frozenset(changed)

    async def _keep(self, connection: AsyncConnection, owner: str, vouched: VouchedDevices) -> bool:
        identity = self._identity
        mine = (identity.c.user_id == self._user_id) & (identity.c.owner == owner)
        query = sa.select(identity.c.first_master_key, identity.c.master_key).where(mine)
        known = (await connection.execute(query)).one_or_none()
        device = self._device
        await connection.execute(device.delete().where((device.c.user_id == self._user_id) & (device.c.owner == owner)))
        if vouched.devices:
            rows = [
                {"user_id": self._user_id, "owner": owner, "device_id": device_id, "ed25519": ed25519}
                for device_id, ed25519 in vouched.devices.items()
            ]
            await connection.execute(device.insert(), rows)
        if vouched.master_key is None:
            return False
        values = {"master_key": vouched.master_key, "self_signing_key": vouched.self_signing_key}
        row = insert_into(self._engine, identity).values(
            user_id=self._user_id, owner=owner, first_master_key=vouched.master_key, **values
        )
        await connection.execute(row.on_conflict_do_update(index_elements=["user_id", "owner"], set_=values))
        return (
            known is not None
            and known.master_key == known.first_master_key
            and vouched.master_key != known.first_master_key
        )

    async def trust_of(self, owner: str, device_id: str | None, ed25519: str | None) -> DeviceTrust:
        """How far a device can be taken for its owner's.

        Args:
            owner: who sent something.
            device_id: the device it came from, by the key that encrypted it; None if the homeserver lists no such.
            ed25519: that device's signing key.
        """
        if device_id is None or ed25519 is None:
            return DeviceTrust.UNKNOWN
        identity, device = self._identity, self._device
        of_owner = (identity.c.user_id == self._user_id) & (identity.c.owner == owner)
        signed = (
            (device.c.user_id == self._user_id)
            & (device.c.owner == owner)
            & (device.c.device_id == device_id)
            & (device.c.ed25519 == ed25519)
        )
        async with self._engine.connect() as connection:
            known = (
                await connection.execute(sa.select(identity.c.first_master_key, identity.c.master_key).where(of_owner))
            ).one_or_none()
            if known is None:
                return DeviceTrust.KNOWN
            if known.first_master_key != known.master_key:
                return DeviceTrust.IDENTITY_CHANGED
            vouched = (await connection.execute(sa.select(device.c.device_id).where(signed))).one_or_none()
        return DeviceTrust.KNOWN if vouched is None else DeviceTrust.CROSS_SIGNED

    async def accept(self, owner: str) -> None:
        """Takes a person's present identity for the right one, after somebody compared it."""
        identity = self._identity
        mine = (identity.c.user_id == self._user_id) & (identity.c.owner == owner)
        async with self._engine.begin() as connection:
            await connection.execute(identity.update().where(mine).values(first_master_key=identity.c.master_key))
