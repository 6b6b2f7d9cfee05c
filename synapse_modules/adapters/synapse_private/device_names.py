"""Synapse's devices: what they are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synapse.handlers.device import DeviceHandler
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(DeviceHandler, "check_device_registered", ("initial_device_display_name",)),
    Feature(DeviceHandler, "update_device", ("content",)),
)


class PrivateDeviceNames:
    """What no callback sees: a device gets its name when it signs in, and later from its owner."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def take(self, shown: Callable[[str], str]) -> None:
        """Takes of a name what is shown."""

        async def sign_in(call: Call) -> Any:
            name = call.arguments["initial_device_display_name"]
            return await call.go_on(initial_device_display_name=shown(name) if isinstance(name, str) else name)

        async def rename(call: Call) -> Any:
            content = dict(call.arguments["content"])
            if isinstance(content.get("display_name"), str):
                content["display_name"] = shown(content["display_name"])
            return await call.go_on(content=content)

        devices = self._hs.get_device_handler()
        put_in_front(devices, "check_device_registered", sign_in)
        put_in_front(devices, "update_device", rename)
