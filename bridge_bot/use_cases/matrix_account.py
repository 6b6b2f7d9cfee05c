"""What this component uses of the support account's Matrix session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

import aiohttp

from messenger_core.log import fault_without_text
from messenger_core.matrix import IncomingFile, Room, SendFailed, SentMessage
from messenger_core.service_auth.client import CallFailed

HOMESERVER_FAULTS = (SendFailed, CallFailed, aiohttp.ClientError, TimeoutError)
"""What the homeserver's refusals and outages look like; the step is tried again."""


def reason_of(fault: BaseException) -> str:
    """Why a step failed, for the log: refusals name an error code and no person, other faults are not quoted."""
    return str(fault) if isinstance(fault, SendFailed | CallFailed) else fault_without_text(fault)


class MatrixAccount(Protocol):
    """The part of ``messenger_core.matrix.MatrixSession`` that is used here; each method raises ``SendFailed``."""

    @property
    def user_id(self) -> str:
        """The account's Matrix user id."""
        ...

    async def send(self, room_id: str, content: Mapping[str, Any], *, key: str) -> SentMessage:
        """Sends an encrypted message, once a key."""
        ...

    async def send_file(
        self, room_id: str, file: IncomingFile, *, key: str, relation: Mapping[str, Any] | None = None
    ) -> SentMessage:
        """Sends a file that was received, encrypted anew and with its thumbnail, once a key."""
        ...

    def fetch(
        self, room_id: str, content: Mapping[str, Any], sent_at: datetime
    ) -> AbstractAsyncContextManager[IncomingFile]:
        """Gives the file of a message piece by piece, for as long as the block runs."""
        ...

    async def redact(self, room_id: str, event_id: str, *, key: str) -> None:
        """Deletes an event of the account."""
        ...

    async def create_room(self, alias_localpart: str, *, invite: Sequence[str] = ()) -> str:
        """Makes an encrypted room once and returns its id."""
        ...

    async def join(self, room_id: str) -> None:
        """Accepts an invitation."""
        ...

    async def leave(self, room_id: str) -> None:
        """Leaves a room or declines an invitation."""
        ...

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invites somebody who is not in the room yet."""
        ...

    async def remove(self, room_id: str, user_id: str) -> None:
        """Removes a member or takes an invitation back."""
        ...

    async def room(self, room_id: str) -> Room:
        """A room's present state."""
        ...
