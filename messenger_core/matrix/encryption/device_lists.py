"""Who has which devices: asked for when unknown or changed, kept in the device's store, checked by signature."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import vodozemac

from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.olm_channel import MEGOLM, OLM, KnownDevice
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.signatures.signed_json import is_signed_by
from messenger_core.matrix.store.stale_devices import StaleDevices

logger = logging.getLogger(__name__)

_PEOPLE_IN_ONE_QUERY = 250
_REMEMBERED_PEOPLE = 5000
_PUT_OFF_S = 60.0

KeysQueryListener = Callable[[Mapping[str, Any]], Awaitable[object]]


class DeviceLists:
    """The devices of everybody whom the account shares an encrypted room with.

    Attributes:
        changes: grows with every change of anybody's devices, so that what depends on them can see that it is old.
    """

    def __init__(
        self, machine: OlmMachine, calls: HomeserverCalls, stale: StaleDevices, on_answer: KeysQueryListener
    ) -> None:
        """Takes who else wants to read the answers to ``/keys/query`` (cross-signing)."""
        self._machine = machine
        self._calls = calls
        self._store = stale
        self._on_answer = on_answer
        self._stale: dict[str, int] = {}
        self._put_off: dict[str, float] = {}
        self._recent: dict[str, tuple[KnownDevice, ...]] = {}
        self._asking = asyncio.Lock()
        self._following = False
        self.changes = 0
        machine.also_forget.append(self._recent.clear)

    async def load(self) -> None:
        """Reads which lists changed since they were asked for; called at the start and after every sync answer.

        Before the first position in the stream nothing tells us of changes, so whatever is known then counts for
        nothing afterwards.
        """
        self._stale = {
            owner: batch for owner, batch in (await self._store.all()).items() if not self._is_put_off(owner)
        }
        if not self._following:
            self._following = await self._store.has_position()
            if not self._following or self._recent:
                with self._machine.transaction():
                    self._machine.sql("DELETE FROM tracked_person")
                self._recent.clear()
                self.changes += 1

    def current(self, people: frozenset[str]) -> bool:
        """Whether nobody's list is known to have changed; cheap enough to ask before each message."""
        return not self._stale or self._stale.keys().isdisjoint(people)

    def of(self, owner: str) -> tuple[KnownDevice, ...] | None:
        """A person's devices as last heard of; None if they were never asked for."""
        known = self._recent.get(owner)
        if known is None:
            if not self._machine.sql("SELECT 1 FROM tracked_person WHERE owner = ?", (owner,)):
                return None
            rows = self._machine.sql(
                "SELECT device_id, ed25519, curve25519 FROM known_device WHERE owner = ? ORDER BY device_id", (owner,)
            )
            known = tuple(KnownDevice(owner, *map(str, row)) for row in rows)
            if len(self._recent) >= _REMEMBERED_PEOPLE:
                self._recent.pop(next(iter(self._recent)))
            self._recent[owner] = known
        return known

    def with_key(self, curve25519: str) -> list[KnownDevice]:
        """Every known device with this identity key; an honest one is the only one."""
        rows = self._machine.sql(
            "SELECT owner, device_id, ed25519, curve25519 FROM known_device WHERE curve25519 = ?", (curve25519,)
        )
        return [KnownDevice(*map(str, row)) for row in rows]

    async def make_current(self, people: Collection[str]) -> frozenset[str]:
        """Asks for the devices of those whose list is unknown or stale.

        Returns:
            Those whose homeserver could not be asked; they are not asked for again for a minute.

        Raises:
            SendFailed: if our own homeserver could not be asked.
        """
        async with self._asking:
            unanswered = {owner for owner in people if self._is_put_off(owner)}
            wanted = [
                owner
                for owner in people
                if owner not in unanswered and (owner in self._stale or self.of(owner) is None)
            ]
            for start in range(0, len(wanted), _PEOPLE_IN_ONE_QUERY):
                unanswered |= await self._ask(wanted[start : start + _PEOPLE_IN_ONE_QUERY])
            return frozenset(unanswered)

    async def _ask(self, people: list[str]) -> set[str]:
        seen = {owner: self._stale[owner] for owner in people if owner in self._stale}
        question = {"timeout": 10_000, "device_keys": {owner: [] for owner in people}}
        answer = await self._calls.post("/_matrix/client/v3/keys/query", question)
        lists, failures = answer.get("device_keys"), answer.get("failures")
        lists = lists if isinstance(lists, dict) else {}
        failed = failures.keys() if isinstance(failures, dict) else set()
        unanswered = {owner for owner in people if owner not in lists and owner.partition(":")[2] in failed}
        answered = [owner for owner in people if owner not in unanswered]
        changed = False
        with self._machine.transaction():
            for owner in answered:
                changed |= self._take(owner, lists.get(owner))
        if changed:
            self.changes += 1
        await self._on_answer(answer)
        settled = {owner: batch for owner, batch in seen.items() if owner not in unanswered}
        await self._store.settle(settled)
        for owner, batch in settled.items():
            # A change that came while we asked stays to be asked for.
            if self._stale.get(owner) == batch:
                del self._stale[owner]
        for owner in unanswered:
            self._stale.pop(owner, None)
            self._put_off[owner] = time.monotonic() + _PUT_OFF_S
        return unanswered

    def _is_put_off(self, owner: str) -> bool:
        """Whether a person's homeserver did not answer a moment ago; it must not hold every message up."""
        until = self._put_off.get(owner)
        if until is not None and time.monotonic() >= until:
            del self._put_off[owner]
            return False
        return until is not None

    def _take(self, owner: str, listed: object) -> bool:
        """Replaces what was known of a person's devices; whether anything changed."""
        before = {device.device_id: device for device in self.of(owner) or ()}
        after = {device.device_id: device for device in read_device_list(owner, listed)}
        # Our own device is not somebody we write to.
        if owner == self._machine.user_id:
            after.pop(self._machine.device_id, None)
        for device_id, device in after.items():
            known = before.get(device_id)
            if known is not None and known != device:
                logger.warning("a device's identity keys changed; it is written to with a new Olm session")
        if self._following and self.of(owner) is None:
            self._machine.sql("INSERT OR IGNORE INTO tracked_person(owner) VALUES (?)", (owner,))
        if before == after:
            self._recent[owner] = tuple(after.values())
            return False
        self._machine.sql("DELETE FROM known_device WHERE owner = ?", (owner,))
        for device in after.values():
            self._machine.sql(
                "INSERT INTO known_device(owner, device_id, ed25519, curve25519) VALUES (?, ?, ?, ?)",
                (owner, device.device_id, device.ed25519, device.curve25519),
            )
        self._recent.pop(owner, None)
        return True


def read_device_list(owner: str, listed: object) -> list[KnownDevice]:
    """The devices of one person in an answer to ``/keys/query`` that can be written to; odd ones are left out."""
    devices = []
    for device_id, description in sorted(listed.items()) if isinstance(listed, dict) else ():
        device = _read_device(owner, device_id, description)
        if device is not None:
            devices.append(device)
    return devices


def _read_device(owner: str, device_id: str, description: object) -> KnownDevice | None:
    if not isinstance(description, dict):
        return None
    keys, algorithms = description.get("keys"), description.get("algorithms")
    if not isinstance(keys, dict) or not isinstance(algorithms, list):
        return None
    ed25519, curve25519 = keys.get(f"ed25519:{device_id}"), keys.get(f"curve25519:{device_id}")
    if (
        description.get("user_id") != owner
        or description.get("device_id") != device_id
        # No database takes every name, and an honest device has a plain one.
        or not device_id.isprintable()
        or not isinstance(ed25519, str)
        or not isinstance(curve25519, str)
        or not {OLM, MEGOLM} <= {name for name in algorithms if isinstance(name, str)}
        or not is_signed_by(description, owner, f"ed25519:{device_id}", ed25519)
    ):
        return None
    try:
        vodozemac.Curve25519PublicKey.from_base64(curve25519)
    except ValueError:
        return None
    return KnownDevice(owner, device_id, ed25519, curve25519)
