"""Reads what other servers answer to ours about people, before Synapse relies on it, stores it or shows it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from synapse.api.errors import HttpResponseException, RequestSendFailed

from messenger_core.people_names import ReservedNames
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules import device_keys, profiles


class FederatedAnswerGate:
    """Stands behind what our server asks others; an answer may say anything."""

    def __init__(self, reserved: ReservedNames) -> None:
        self._reserved = reserved

    async def query_keys(self, call: Call) -> Any:
        """Keys of devices."""
        return device_keys.of_query(await call.go_on())

    async def claim_keys(self, call: Call) -> Any:
        """One-time keys."""
        return device_keys.of_claim(await call.go_on())

    async def query_devices(self, call: Call) -> Any:
        """Somebody's devices.

        Raises:
            RequestSendFailed: if they cannot be read: to Synapse there was no answer, and it asks again later.
        """
        devices = device_keys.of_device_list(call.arguments["user_id"], await call.go_on())
        if devices is None:
            raise RequestSendFailed(ValueError("not readable"), can_retry=False)
        return devices

    async def query_profile(self, call: Call) -> Any:
        """Somebody's profile; a refusal without what the other server wrote, which Synapse would show."""
        if call.arguments["query_type"] != "profile":
            return await call.go_on()
        try:
            return profiles.of_other(await call.go_on(), self._reserved)
        except HttpResponseException as fault:
            if fault.code not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
                raise RequestSendFailed(fault, can_retry=False) from None
            raise HttpResponseException(fault.code, "Profile isn't available", b"{}") from None
