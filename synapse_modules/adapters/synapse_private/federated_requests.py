"""What other servers ask and send beside the rooms: devices, keys, profiles, and what is only of the moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from synapse.api.constants import EduTypes
from synapse.api.errors import Codes, NotFoundError, SynapseError
from synapse.federation.federation_server import FederationHandlerRegistry, FederationServer
from synapse.federation.transport.server.federation import (
    FederationClientKeysClaimServlet,
    FederationUnstableClientKeysClaimServlet,
)
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front
from synapse_modules.rules.identifiers import is_event_id, is_token

_CLAIMS = (FederationClientKeysClaimServlet, FederationUnstableClientKeysClaimServlet)
FEATURES = (
    Feature(FederationServer, "on_query_client_keys", ("origin", "content")),
    Feature(FederationServer, "on_query_user_devices", ("origin", "user_id")),
    Feature(FederationHandlerRegistry, "on_query", ("query_type", "args")),
    Feature(FederationHandlerRegistry, "on_edu", ("edu_type", "origin", "content")),
    *(Feature(claim, "on_POST", ("origin", "content")) for claim in _CLAIMS),
)


class RequestRules(Protocol):
    """What is asked before another server gets or brings something."""

    async def within_reach_of_server(self, server_name: str, user_ids: list[str]) -> set[str]:
        """Those of some users who share a room with somebody of a server."""
        ...

    async def within_reach(self, user_id: str, others: list[str]) -> set[str]:
        """Those of some users who share a room with a user."""
        ...

    async def is_member(self, room_id: str, user_id: str) -> bool:
        """Whether a user is in a room."""
        ...

    def for_others(self, message_type: str, content: dict[str, Any]) -> dict[str, Any] | None:
        """What of a message from device to device may go to other people's; None if nothing."""
        ...

    def changed_device(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        """What is taken of a change of somebody's device; None if nothing."""
        ...

    def vouching_keys(self, user_id: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """What is taken of the keys by which somebody vouches for her devices."""
        ...


class PrivateFederatedRequests:
    """What the public module API has no callback for."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def close(self, rules: RequestRules) -> None:
        """Puts rules in front of everything that another server asks, or sends to our people's devices and screens."""
        self._close_queries(rules)
        self._close_ephemeral(rules)

    def _close_queries(self, rules: RequestRules) -> None:
        async def query_keys(call: Call) -> Any:
            content = call.arguments["content"]
            wanted = await _within_reach(rules, call.arguments["origin"], content, "device_keys")
            return await call.go_on(content={**content, "device_keys": wanted})

        async def claim_keys(call: Call) -> Any:
            content = call.arguments["content"]
            wanted = await _within_reach(rules, call.arguments["origin"], content, "one_time_keys")
            if not all(isinstance(devices, Mapping) for devices in wanted.values()):
                raise _not_readable()
            return await call.go_on(content={**content, "one_time_keys": wanted})

        async def query_devices(call: Call) -> Any:
            await _check_reach(rules, call.arguments["origin"], call.arguments["user_id"])
            return await call.go_on()

        async def query(call: Call) -> Any:
            kind, asked = call.arguments["query_type"], call.arguments["args"]
            if kind == "profile":
                await _check_reach(rules, asked["origin"], asked.get("user_id", ""))
            elif kind == "directory":
                # Rooms of ours have no public names.
                raise NotFoundError("Room alias not found")
            return await call.go_on()

        server = self._hs.get_federation_server()
        put_in_front(server, "on_query_client_keys", query_keys)
        put_in_front(server, "on_query_user_devices", query_devices)
        put_in_front(self._hs.get_federation_registry(), "on_query", query)
        for servlet in _CLAIMS:
            put_in_front(servlet, "on_POST", claim_keys)

    def _close_ephemeral(self, rules: RequestRules) -> None:
        async def receive(call: Call) -> None:
            look = TAKEN_EDUS.get(call.arguments["edu_type"])
            if look is None:
                # Presence of people elsewhere, and whatever else there may be, is not shown to anybody here.
                return
            try:
                kept = await look(rules, call.arguments["origin"], call.arguments["content"])
            except (KeyError, TypeError, AttributeError, ValueError):
                # Whatever it was meant to be. A fault would make Synapse refuse what else came with it, for ever.
                return
            if kept:
                await call.go_on(content=kept)

        put_in_front(self._hs.get_federation_registry(), "on_edu", receive)


def _not_readable() -> SynapseError:
    return SynapseError(400, "A map by user id is expected", Codes.BAD_JSON)


async def _check_reach(rules: RequestRules, origin: str, user_id: str) -> None:
    """Refuses a question about somebody without a common room; it is the same whether there is such a person or not."""
    if not await rules.within_reach_of_server(origin, [user_id]):
        raise no_common_room()


def no_common_room() -> SynapseError:
    """What another server is told of somebody who is not there for it, for whatever reason."""
    return SynapseError(403, "No common room", Codes.FORBIDDEN)


async def _within_reach(rules: RequestRules, origin: str, content: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What of a map by user id is about users within reach; the rest is treated as if these users did not exist."""
    by_user = content.get(key)
    if not isinstance(by_user, Mapping):
        raise _not_readable()
    reached = await rules.within_reach_of_server(origin, list(by_user))
    return {user_id: value for user_id, value in by_user.items() if user_id in reached}


def _is_of(user_id: str, origin: str) -> bool:
    return user_id.startswith("@") and user_id.partition(":")[2] == origin


async def _for_devices(rules: RequestRules, origin: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """To-device messages to those whom a room connects to the sender, without words."""
    sender, kind, messages, number = (content[key] for key in ("sender", "type", "messages", "message_id"))
    if not _is_of(sender, origin) or not is_token(number):
        return None
    reached = await rules.within_reach(sender, list(messages))
    kept: dict[str, dict[str, Any]] = {}
    for user_id in reached:
        fit = {device: rules.for_others(kind, dict(one)) for device, one in messages[user_id].items()}
        kept[user_id] = {device: one for device, one in fit.items() if one is not None}
    taken = {"sender": sender, "type": kind, "message_id": number, "messages": kept}
    return taken if any(kept.values()) else None


async def _of_device(rules: RequestRules, origin: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """A changed device, without its name: that is its owner's own text, and other people have no use for it."""
    return rules.changed_device(content) if _is_of(content["user_id"], origin) else None


async def _of_keys(rules: RequestRules, origin: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Changed keys by which somebody vouches for her devices."""
    user_id = content["user_id"]
    return {"user_id": user_id} | rules.vouching_keys(user_id, content) if _is_of(user_id, origin) else None


async def _of_member(rules: RequestRules, origin: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Typing, of somebody who is in the room."""
    user_id, room_id, is_typing = content["user_id"], content["room_id"], content["typing"]
    is_told = _is_of(user_id, origin) and isinstance(is_typing, bool) and await rules.is_member(room_id, user_id)
    return {"user_id": user_id, "room_id": room_id, "typing": is_typing} if is_told else None


async def _of_members(rules: RequestRules, origin: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Receipts, of those who are in their rooms, without anything that is no event id: clients show none of it."""
    kept: dict[str, Any] = {}
    for room_id, by_type in content.items():
        for kind, by_user in by_type.items():
            for user_id, receipt in by_user.items():
                if _is_of(user_id, origin) and await rules.is_member(room_id, user_id) and _is_receipt(kind, receipt):
                    kept.setdefault(room_id, {}).setdefault(kind, {})[user_id] = receipt
    return kept


def _is_receipt(kind: str, receipt: Mapping[str, Any]) -> bool:
    data = receipt["data"]
    thread = data.get("thread_id", "main")
    return (
        kind == "m.read"
        and receipt.keys() <= {"event_ids", "data"}
        and all(map(is_event_id, receipt["event_ids"]))
        and data.keys() <= {"ts", "thread_id"}
        and type(data.get("ts", 0)) is int
        and (thread == "main" or is_event_id(thread))
    )


TAKEN_EDUS: Mapping[str, Callable[[RequestRules, str, Mapping[str, Any]], Awaitable[dict[str, Any] | None]]] = {
    EduTypes.DEVICE_LIST_UPDATE: _of_device,
    EduTypes.DIRECT_TO_DEVICE: _for_devices,
    EduTypes.RECEIPT: _of_members,
    EduTypes.SIGNING_KEY_UPDATE: _of_keys,
    EduTypes.TYPING: _of_member,
    EduTypes.UNSTABLE_SIGNING_KEY_UPDATE: _of_keys,
}
"""What is taken of the moment from other servers, with what is looked at; every other type is dropped."""
