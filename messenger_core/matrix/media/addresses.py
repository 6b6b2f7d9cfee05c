"""Addresses for uploads: asked for, written down before they are used, and used again after an interruption.

A homeserver gives an account only a few addresses that are not filled yet (Synapse: 5 in 24 hours). An upload that was
killed or cancelled must not use them up.
"""

from __future__ import annotations

from datetime import datetime

from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.store.media_ledger import MediaLedger, is_media_address


class UploadAddresses:
    """The addresses that one account may upload to."""

    def __init__(self, calls: HomeserverCalls, ledger: MediaLedger) -> None:
        self._calls = calls
        self._ledger = ledger
        self._free: list[str] | None = None

    async def take(self, room_id: str, used_at: datetime) -> str:
        """An address that nothing was uploaded to, in the ledger for the room; ``give_back`` or ``filled`` ends it.

        Raises:
            SendFailed: if the homeserver gives none.
        """
        if self._free is None:
            # What is reserved at the start was left over by a process that was killed.
            left_over = await self._ledger.reserved(self._calls.user_id)
            self._free = left_over if self._free is None else self._free
        mxc = self._free.pop() if self._free else await self._ask()
        try:
            await self._ledger.reserve(mxc, room_id, used_at, user_id=self._calls.user_id)
        except BaseException:
            self.give_back(mxc)
            raise
        return mxc

    async def _ask(self) -> str:
        answer = await self._calls.post("/_matrix/media/v1/create", {})
        mxc = answer.get("content_uri")
        if not is_media_address(mxc):
            raise SendFailed("the homeserver gave no media address", status=502)
        return mxc

    def give_back(self, mxc: str) -> None:
        """Nothing was uploaded to it; another upload may use it."""
        assert self._free is not None
        self._free.append(mxc)

    async def ended(self, mxc: str) -> None:
        """It has its file, or the homeserver takes none there any more."""
        await self._ledger.reservation_ended(mxc)
