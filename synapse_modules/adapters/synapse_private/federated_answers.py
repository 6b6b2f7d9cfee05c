"""What other servers answer to ours about people: read before Synapse relies on it, keeps it or shows it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Protocol

from synapse.api.errors import HttpResponseException, RequestSendFailed
from synapse.federation.federation_client import FederationClient
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(FederationClient, "make_query", ("query_type", "args")),
    Feature(FederationClient, "query_client_keys", ("destination", "content", "timeout")),
    Feature(FederationClient, "query_user_devices", ("destination", "user_id", "timeout")),
    Feature(FederationClient, "claim_client_keys", ("user", "destination", "query", "timeout")),
)


class AnswerRules(Protocol):
    """What is asked about an answer, which may say anything."""

    def keys(self, answer: object) -> dict[str, Any]:
        """What is taken of an answer with keys of devices."""
        ...

    def claimed_keys(self, answer: object) -> dict[str, Any]:
        """What is taken of an answer with one-time keys."""
        ...

    def device_list(self, user_id: str, answer: object) -> dict[str, Any] | None:
        """What is taken of an answer with somebody's devices; None if it cannot be read."""
        ...

    def profile(self, answer: object) -> dict[str, Any]:
        """What is taken of an answer with somebody's profile."""
        ...


class PrivateFederatedAnswers:
    """What the public module API has no callback for."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def read_by(self, rules: AnswerRules) -> None:
        """Puts rules behind what our server asks others."""

        async def query_keys(call: Call) -> Any:
            return rules.keys(await call.go_on())

        async def claim_keys(call: Call) -> Any:
            return rules.claimed_keys(await call.go_on())

        async def query_devices(call: Call) -> Any:
            devices = rules.device_list(call.arguments["user_id"], await call.go_on())
            if devices is None:
                # To Synapse it is as if there had been no answer: it asks again later.
                raise RequestSendFailed(ValueError("not readable"), can_retry=False)
            return devices

        async def query(call: Call) -> Any:
            if call.arguments["query_type"] != "profile":
                return await call.go_on()
            try:
                return rules.profile(await call.go_on())
            except HttpResponseException as fault:
                # Synapse would show what the other server wrote.
                if fault.code not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
                    raise RequestSendFailed(fault, can_retry=False) from None
                raise HttpResponseException(fault.code, "Profile isn't available", b"{}") from None

        client = self._hs.get_federation_client()
        put_in_front(client, "make_query", query)
        put_in_front(client, "query_client_keys", query_keys)
        put_in_front(client, "query_user_devices", query_devices)
        put_in_front(client, "claim_client_keys", claim_keys)
