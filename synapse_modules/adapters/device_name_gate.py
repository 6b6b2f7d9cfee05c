"""What devices are called: a name is given at a sign-in and later by its owner, and others see it."""

from __future__ import annotations

from typing import Any

from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules.admission import shown_name


class DeviceNameGate:
    """Takes of a name what is shown."""

    async def name_at_sign_in(self, call: Call) -> Any:
        """A device is made."""
        name = call.arguments["initial_device_display_name"]
        return await call.go_on(initial_device_display_name=shown_name(name) if isinstance(name, str) else name)

    async def rename(self, call: Call) -> Any:
        """A device gets another name."""
        content = dict(call.arguments["content"])
        if isinstance(content.get("display_name"), str):
            content["display_name"] = shown_name(content["display_name"])
        return await call.go_on(content=content)
