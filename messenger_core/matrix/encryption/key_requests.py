"""Asks the device that sent an event for the room key of it: no other device can be believed."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from messenger_core.matrix.encryption.components import EncryptionComponents
from messenger_core.matrix.encryption.olm_channel import MEGOLM
from messenger_core.matrix.encryption.room_keys import is_session_id
from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.store.key_requests import KeyRequest, KeyRequests

logger = logging.getLogger(__name__)

_PATH = "/_matrix/client/v3/sendToDevice/m.room_key_request/{}"
_AT_ONCE = 50
_OPEN_TO_ONE_PERSON = 100
_LONGEST_NAME = 255
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(days=1)


class KeyRequester:
    """The key requests of one account."""

    def __init__(self, parts: EncryptionComponents, requests: KeyRequests) -> None:
        self._parts = parts
        self._requests = requests
        self._answered: list[KeyRequest] = []

    async def open_requests(self) -> list[KeyRequest]:
        """What was asked for and has not come yet."""
        return await self._requests.all()

    async def request_room_key(self, room_id: str, source: Mapping[str, Any]) -> None:
        """Asks the sender's device for the key of an event, once; ``maintain`` asks again with growing pauses."""
        content, sender = source.get("content"), source.get("sender")
        if not isinstance(content, dict) or not isinstance(sender, str):
            return
        session_id, device_id = content.get("session_id"), content.get("device_id")
        if not is_session_id(session_id):
            return
        if not isinstance(device_id, str) or not 0 < len(device_id) <= _LONGEST_NAME or not device_id.isprintable():
            # The field is deprecated and may be missing; then any of the sender's devices may answer for its own key.
            device_id = "*"
        request = KeyRequest(secrets.token_hex(16), room_id, session_id, sender, device_id)
        if await self._requests.add(request, self._parts.clock(), at_most=_OPEN_TO_ONE_PERSON):
            try:
                # An answer is believed only from a device that is known.
                await self._parts.devices.make_current([sender])
                await self._send(request)
            except SendFailed as fault:
                logger.warning("a room key could not be asked for: %s", fault)

    async def learned(self, keys: Collection[tuple[str, str]]) -> None:
        """Closes the requests for keys (room id and session id) that have come."""
        if not keys:
            return
        answered = [one for one in await self._requests.all() if (one.room_id, one.session_id) in keys]
        if answered:
            await self._requests.close(answered)
            self._answered += answered

    async def maintain(self) -> None:
        """Sends the requests that are due, and takes those back that were answered.

        Raises:
            SendFailed: if the homeserver could not be asked.
        """
        for request in await self._requests.due(self._parts.clock(), _AT_ONCE):
            await self._send(request)
        while self._answered:
            request = self._answered[0]
            await self._tell(request, {"action": "request_cancellation"})
            del self._answered[0]

    async def _send(self, request: KeyRequest) -> None:
        body = {
            "algorithm": MEGOLM,
            "room_id": request.room_id,
            "session_id": request.session_id,
        }
        await self._tell(request, {"action": "request", "body": body})
        pause = min(_FIRST_PAUSE * 2 ** min(request.attempts, 20), _LONGEST_PAUSE)
        await self._requests.put_off(request, self._parts.clock(), pause)

    async def _tell(self, request: KeyRequest, what: Mapping[str, Any]) -> None:
        content = {
            **what,
            "request_id": request.request_id,
            "requesting_device_id": self._parts.machine.device_id,
        }
        path = self._parts.calls.path(_PATH, secrets.token_hex(16))
        try:
            await self._parts.calls.put(path, {"messages": {request.recipient: {request.device_id: content}}})
        except SendFailed as fault:
            if fault.outage:
                raise
            logger.warning("the homeserver refused a key request: %s", fault.errcode)
