"""Closes devices, their keys and messages, profiles and presence to everybody whom no room connects to their owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synapse.api.errors import Codes, NotFoundError, SynapseError

from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules import between_devices, device_keys
from synapse_modules.rules.reach import Refusal
from synapse_modules.store.common_rooms import CommonRooms


class DeviceGate:
    """Stands in front of everything that a user of this server asks of other people's devices and profiles."""

    def __init__(self, common_rooms: CommonRooms, refusals: Refusals) -> None:
        self._common_rooms = common_rooms
        self._refusals = refusals

    async def query_keys(self, call: Call) -> Any:
        """Keys of devices: of people within reach, without names."""
        sender, body = call.arguments["from_user_id"], call.arguments["query_body"]
        within = await self._within_reach(sender, body.get("device_keys"))
        answer = await call.go_on(query_body=body | {"device_keys": within})
        shown = _with_own(sender, answer, device_keys.of_query(answer, {sender}))
        for user_id in body["device_keys"]:
            shown["device_keys"].setdefault(user_id, {})
        return shown

    async def claim_keys(self, call: Call) -> Any:
        """One-time keys: of people within reach."""
        sender = call.arguments["user"].to_string()
        answer = await call.go_on(query=await self._within_reach(sender, call.arguments["query"]))
        return _with_own(sender, answer, device_keys.of_claim(answer))

    async def sign_keys(self, call: Call) -> Any:
        """Signatures of keys: of people within reach; all others have no keys."""
        signatures = call.arguments["signatures"]
        within = await self._within_reach(call.arguments["user_id"], signatures)
        answer = await call.go_on(signatures=within)
        for user_id in signatures.keys() - within.keys():
            if not isinstance(signatures[user_id], dict):
                raise _not_readable()
            # What Synapse says of somebody who has no keys.
            unknown = NotFoundError(f"No master key found for {user_id}")
            failure = {"status": unknown.code, "errcode": unknown.errcode, "message": str(unknown)}
            answer["failures"][user_id] = dict.fromkeys(signatures[user_id], failure)
        return answer

    async def send_messages(self, call: Call) -> Any:
        """Messages from device to device: to people within reach, without words in clear."""
        sender, kind = call.arguments["requester"].user.to_string(), call.arguments["message_type"]
        within = await self._within_reach(sender, call.arguments["messages"])
        messages: dict[str, Any] = {}
        for user_id, by_device in within.items():
            if not isinstance(by_device, dict) or not all(isinstance(one, dict) for one in by_device.values()):
                raise _not_readable()
            messages[user_id] = by_device
            if user_id != sender:
                fit = {device: between_devices.for_others(kind, content) for device, content in by_device.items()}
                messages[user_id] = {device: content for device, content in fit.items() if content is not None}
        return await call.go_on(messages=messages)

    async def see_profile(self, call: Call) -> None:
        """A profile: of people within reach.

        Raises:
            SynapseError: what Synapse says of somebody who is out of reach.
        """
        requester, target = call.arguments["requester"], call.arguments["target_user"].to_string()
        if requester is not None and not await self._common_rooms.sharing(requester.to_string(), [target]):
            raise SynapseError(403, "Profile isn't available", Codes.FORBIDDEN)
        await call.go_on(requester=None)

    async def set_name_or_picture(self, call: Call) -> Any:
        """A name or a picture is given by its owner, as whom the module acts; an administrator acts as himself.

        Raises:
            SynapseError: if it is somebody else.
        """
        if call.arguments["requester"].user != call.arguments["target_user"]:
            raise self._profile_fixed()
        return await call.go_on()

    async def set_profile_field(self, call: Call) -> Any:
        """Any other field, and the name that a sign-in says: by the module alone.

        Raises:
            SynapseError: if it is somebody else; Synapse's own settings let an empty field be set once.
        """
        if not call.arguments["by_admin"]:
            raise self._profile_fixed()
        return await self.set_name_or_picture(call)

    async def set_presence(self, call: Call) -> None:
        """Whether somebody is there those may know who share a room; what she writes beside it is left out."""
        state = {key: value for key, value in call.arguments["state"].items() if key != "status_msg"}
        await call.go_on(state=state)

    def _profile_fixed(self) -> SynapseError:
        """Beside the verified name it would be words in clear."""
        return self._refusals.error(Refusal.PROFILE_FIXED)

    async def _within_reach(self, user_id: str, by_user: object) -> dict[str, Any]:
        """What of a map by user id is about users within reach; the rest is treated as if these users did not exist."""
        if not isinstance(by_user, dict):
            raise _not_readable()
        reached = await self._common_rooms.sharing(user_id, list(by_user))
        return {other: value for other, value in by_user.items() if other in reached}


def _not_readable() -> SynapseError:
    return SynapseError(400, "A map by user id is expected", Codes.BAD_JSON)


def _with_own(user_id: str, answer: Mapping[str, Any], of_others: dict[str, Any]) -> dict[str, Any]:
    """An answer in which everything of others is replaced; what is hers she sees as it is."""
    shown = {**answer, **of_others}
    for where, by_user in of_others.items():
        if user_id in answer.get(where, {}):
            by_user[user_id] = answer[where][user_id]
    # What other servers write there is not passed on.
    shown["failures"] = {
        server: {"status": failure["status"], "message": "No answer"} for server, failure in answer["failures"].items()
    }
    return shown
