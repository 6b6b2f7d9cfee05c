"""Keeps the homeserver supplied with the keys by which others open an encrypted channel to the device.

A one-time key is offered once in its life: it is on the disk and marked as published before it is uploaded, so a key
whose upload was interrupted is wasted rather than given out twice. The fallback key may be uploaded again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from nio.crypto import Olm

from messenger_core.matrix.clock import present
from messenger_core.matrix.encryption.cross_signing import device_signed
from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.store_rollback import Generations
from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.homeserver_calls import HomeserverCalls

logger = logging.getLogger(__name__)

_UPLOAD_PATH = "/_matrix/client/v3/keys/upload"
_KEY_KIND = "signed_curve25519"
# The private halves of the last two fallback keys are kept: who drains our keys cannot make us forget one that an
# honest sender is about to use.
_FALLBACK_LIVES_AT_LEAST = timedelta(hours=1)
# Each failed upload wastes keys, and the account keeps a bounded number of private halves.
_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=1)


class OneTimeKeys:
    """The device's keys on the homeserver: its identity keys, one-time keys and fallback key."""

    def __init__(
        self,
        calls: HomeserverCalls,
        machine: OlmMachine,
        generations: Generations,
        clock: Callable[[], datetime] = present,
    ) -> None:
        self._calls = calls
        self._machine = machine
        self._generations = generations
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._left: int | None = None
        self._fallback_made_at: datetime | None = None
        self._pause = _FIRST_PAUSE
        self._not_before: datetime | None = None

    @property
    def left(self) -> int | None:
        """How many one-time keys the homeserver has, as far as is known."""
        return self._left

    @property
    def most(self) -> int:
        """How many the account offers at most."""
        return int(self._machine.account.max_one_time_keys)

    async def publish_device(self, *, anew: bool = False) -> None:
        """Uploads the device's identity keys and what is missing of the others; called when the session opens.

        Args:
            anew: whether the homeserver had removed the device, and with it every key that it had.

        Raises:
            SendFailed: if the homeserver did not take them.
            StoreUnwritable: if the disk did not take them; nothing was uploaded then.
        """
        async with self._one_at_a_time:
            first = not self._machine.account.shared
            if anew:
                self._fallback_made_at = None
            answer = await self._calls.post(_UPLOAD_PATH, {"device_keys": self._device_keys()})
            self._left = _count(answer)
            await self._offer_fallback(unused=False if first or anew else None)
            if first:
                async with self._generations.step():
                    self._machine.account.shared = True
                    self._machine.save_account()
            await self._refill()

    async def maintain(self, *, one_time_keys: int | None, fallback_unused: bool | None) -> None:
        """Refills below half and renews a used fallback key; called after each sync. A failure is tried again later.

        Args:
            one_time_keys: how many the homeserver has, as its answer says; None if it does not say.
            fallback_unused: whether the fallback key is unused; None if the homeserver does not say.

        Raises:
            StoreUnwritable: if the disk did not take new keys; nothing was uploaded then.
        """
        async with self._one_at_a_time:
            if one_time_keys is not None:
                self._left = one_time_keys
            if self._not_before is not None and self._clock() < self._not_before:
                return
            try:
                await self._offer_fallback(unused=fallback_unused)
                if self._left is not None and self._left < self.most // 2:
                    # The count may be older than our last upload.
                    self._left = _count(await self._calls.post(_UPLOAD_PATH, {}))
                    await self._refill()
            except SendFailed as fault:
                logger.warning("the one-time keys could not be refilled: %s", fault)
                self._not_before = self._clock() + self._pause
                self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            else:
                self._not_before, self._pause = None, _FIRST_PAUSE

    async def _refill(self) -> None:
        missing = self.most - (self._left or 0)
        if missing <= self.most // 2:
            return
        account = self._machine.account
        async with self._generations.step():
            account.generate_one_time_keys(missing)
            keys = dict(account.one_time_keys["curve25519"])
            account.mark_keys_as_published()
            self._machine.save_account()
        answer = await self._calls.post(_UPLOAD_PATH, {"one_time_keys": self._signed(keys)})
        self._left = _count(answer)

    def _fallback_public(self) -> dict[str, str]:
        """The fallback key that was made and is not known to be uploaded."""
        found = self._machine.account._account.fallback_key
        return {name: key.to_base64() for name, key in found.items()}

    async def _offer_fallback(self, *, unused: bool | None) -> None:
        """Uploads a fallback key that is not known to be uploaded; makes a new one if the last was used."""
        pending = self._fallback_public()
        if not pending:
            now = self._clock()
            young = self._fallback_made_at is not None and now < self._fallback_made_at + _FALLBACK_LIVES_AT_LEAST
            if unused is not False or young:
                return
            async with self._generations.step():
                self._machine.account._account.generate_fallback_key()
                self._machine.save_account()
            self._fallback_made_at = now
            pending = self._fallback_public()
        await self._calls.post(_UPLOAD_PATH, {"fallback_keys": self._signed(pending, fallback=True)})
        async with self._generations.step():
            self._machine.account.mark_keys_as_published()
            self._machine.save_account()

    def _device_keys(self) -> dict[str, Any]:
        device_id = self._machine.device_id
        return device_signed(
            self._machine,
            {
                "algorithms": list(Olm._algorithms),
                "device_id": device_id,
                "user_id": self._machine.user_id,
                "keys": {
                    f"curve25519:{device_id}": self._machine.curve25519,
                    f"ed25519:{device_id}": self._machine.ed25519,
                },
            },
        )

    def _signed(self, keys: Mapping[str, str], *, fallback: bool = False) -> dict[str, Any]:
        mark = {"fallback": True} if fallback else {}
        return {f"{_KEY_KIND}:{name}": device_signed(self._machine, {"key": key, **mark}) for name, key in keys.items()}


def _count(answer: Mapping[str, Any]) -> int:
    counts = answer.get("one_time_key_counts")
    count = counts.get(_KEY_KIND) if isinstance(counts, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else 0
