"""Synapse's devices, their keys and messages, profiles and presence: nobody reaches whom no room connects to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from synapse.api.errors import Codes, NotFoundError, SynapseError
from synapse.handlers.devicemessage import DeviceMessageHandler
from synapse.handlers.e2e_keys import E2eKeysHandler
from synapse.handlers.presence import BasePresenceHandler
from synapse.handlers.profile import ProfileHandler
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(BasePresenceHandler, "set_state", ("state",)),
    Feature(E2eKeysHandler, "query_devices", ("query_body", "from_user_id")),
    Feature(E2eKeysHandler, "claim_one_time_keys", ("query", "user")),
    Feature(E2eKeysHandler, "upload_signatures_for_device_keys", ("user_id", "signatures")),
    Feature(DeviceMessageHandler, "send_device_message", ("requester", "message_type", "messages")),
    Feature(ProfileHandler, "check_profile_query_allowed", ("target_user", "requester")),
    Feature(ProfileHandler, "dispatch_set_profile_field", ("target_user", "requester", "by_admin")),
    Feature(ProfileHandler, "set_displayname", ("target_user", "requester")),
    Feature(ProfileHandler, "set_avatar_url", ("target_user", "requester")),
)


class DeviceRules(Protocol):
    """What is asked before anything goes from one person's devices to another's."""

    async def within_reach(self, user_id: str, others: list[str]) -> set[str]:
        """Those of some users whose devices and profile a user may see."""
        ...

    def for_others(self, message_type: str, content: dict[str, Any]) -> dict[str, Any] | None:
        """What of a message from device to device may go to other people's; None if nothing."""
        ...

    def keys_of_others(self, answer: object, asking: str) -> dict[str, Any]:
        """What of an answer to a question for keys is shown to the one who asks, of other people's."""
        ...

    def claimed_keys(self, answer: object) -> dict[str, Any]:
        """What of an answer with one-time keys is shown, of other people's."""
        ...

    def profile_fixed(self) -> SynapseError:
        """What somebody is told who sets a field of a profile; Synapse's own settings let an empty one be set once."""
        ...


class PrivateDevices:
    """What the public module API has no callback for."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def close(self, rules: DeviceRules) -> None:
        """Puts rules in front of everything that a user of this server asks of other people's devices and profiles."""
        self._close_keys(rules)
        self._close_messages(rules)
        self._close_profiles(rules)
        put_in_front(self._hs.get_presence_handler(), "set_state", _be_present)

    def _close_keys(self, rules: DeviceRules) -> None:
        async def query(call: Call) -> Any:
            asking, body = call.arguments["from_user_id"], call.arguments["query_body"]
            wanted = await _within_reach(rules, asking, body.get("device_keys"))
            answer = await call.go_on(query_body=body | {"device_keys": wanted})
            kept = _for(asking, answer, rules.keys_of_others(answer, asking))
            for user_id in body["device_keys"]:
                kept["device_keys"].setdefault(user_id, {})
            return kept

        async def claim(call: Call) -> Any:
            asking = call.arguments["user"].to_string()
            answer = await call.go_on(query=await _within_reach(rules, asking, call.arguments["query"]))
            return _for(asking, answer, rules.claimed_keys(answer))

        async def sign(call: Call) -> Any:
            signatures = call.arguments["signatures"]
            wanted = await _within_reach(rules, call.arguments["user_id"], signatures)
            answer = await call.go_on(signatures=wanted)
            for user_id in signatures.keys() - wanted.keys():
                if not isinstance(signatures[user_id], dict):
                    raise _not_readable()
                # What Synapse says of somebody who has no keys.
                unknown = NotFoundError(f"No master key found for {user_id}")
                failure = {"status": unknown.code, "errcode": unknown.errcode, "message": str(unknown)}
                answer["failures"][user_id] = dict.fromkeys(signatures[user_id], failure)
            return answer

        keys = self._hs.get_e2e_keys_handler()
        put_in_front(keys, "query_devices", query)
        put_in_front(keys, "claim_one_time_keys", claim)
        put_in_front(keys, "upload_signatures_for_device_keys", sign)

    def _close_messages(self, rules: DeviceRules) -> None:
        async def send(call: Call) -> Any:
            asking = call.arguments["requester"].user.to_string()
            sent = await _within_reach(rules, asking, call.arguments["messages"])
            kept: dict[str, Any] = {}
            for user_id, by_device in sent.items():
                if not isinstance(by_device, dict) or not all(isinstance(one, dict) for one in by_device.values()):
                    raise _not_readable()
                kept[user_id] = by_device
                if user_id != asking:
                    fit = {key: rules.for_others(call.arguments["message_type"], one) for key, one in by_device.items()}
                    kept[user_id] = {key: one for key, one in fit.items() if one is not None}
            return await call.go_on(messages=kept)

        put_in_front(self._hs.get_device_message_handler(), "send_device_message", send)

    def _close_profiles(self, rules: DeviceRules) -> None:
        async def see_profile(call: Call) -> None:
            asking, target = call.arguments["requester"], call.arguments["target_user"].to_string()
            if asking is not None and not await rules.within_reach(asking.to_string(), [target]):
                raise SynapseError(403, "Profile isn't available", Codes.FORBIDDEN)
            await call.go_on(requester=None)

        async def set_as_its_owner(call: Call) -> Any:
            # The module acts as the person herself; an administrator who gives somebody a name or a picture acts as
            # himself.
            if call.arguments["requester"].user != call.arguments["target_user"]:
                raise rules.profile_fixed()
            return await call.go_on()

        async def set_field(call: Call) -> Any:
            # What a sign-in says of the name is set in this way, too.
            if not call.arguments["by_admin"]:
                raise rules.profile_fixed()
            return await set_as_its_owner(call)

        profiles = self._hs.get_profile_handler()
        put_in_front(profiles, "check_profile_query_allowed", see_profile)
        put_in_front(profiles, "dispatch_set_profile_field", set_field)
        put_in_front(profiles, "set_displayname", set_as_its_owner)
        put_in_front(profiles, "set_avatar_url", set_as_its_owner)


async def _be_present(call: Call) -> None:
    """Whether somebody is there those may know who share a room; what she writes beside it would stand in clear."""
    state = {key: value for key, value in call.arguments["state"].items() if key != "status_msg"}
    await call.go_on(state=state)


def _not_readable() -> SynapseError:
    return SynapseError(400, "A map by user id is expected", Codes.BAD_JSON)


async def _within_reach(rules: DeviceRules, asking: str, by_user: object) -> dict[str, Any]:
    """What of a map by user id is about users within reach; the rest is treated as if these users did not exist."""
    if not isinstance(by_user, dict):
        raise _not_readable()
    reached = await rules.within_reach(asking, list(by_user))
    return {user_id: value for user_id, value in by_user.items() if user_id in reached}


def _for(asking: str, answer: Mapping[str, Any], of_others: dict[str, Any]) -> dict[str, Any]:
    """An answer in which everything of others is replaced; what is hers she sees as it is."""
    kept = {**answer, **of_others}
    for where, by_user in of_others.items():
        if asking in answer.get(where, {}):
            by_user[asking] = answer[where][asking]
    # What other servers write there is not passed on.
    kept["failures"] = {
        server: {"status": failure["status"], "message": "No answer"} for server, failure in answer["failures"].items()
    }
    return kept
