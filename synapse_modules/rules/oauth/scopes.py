"""What a client may be granted: all of the Matrix client API, for one device (Matrix "Scope", MSC2967)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from synapse_modules.rules.oauth.errors import ErrorCode, OAuthError

_API = ("urn:matrix:client:api:*", "urn:matrix:org.matrix.msc2967.client:api:*")
_DEVICE = ("urn:matrix:client:device:", "urn:matrix:org.matrix.msc2967.client:device:")
_DEVICE_ID = re.compile(r"[A-Za-z0-9._~-]{10,255}")


@dataclass(frozen=True, slots=True)
class Grant:
    """What is granted.

    Attributes:
        device_id: the device that the tokens are for.
        scope: as the client is told, in its own spelling.
    """

    device_id: str
    scope: str


def read_scope(scope: str) -> Grant:
    """What of an asked scope is granted; scopes that there are not here, such as ``openid``, are left out.

    Raises:
        OAuthError: ``invalid_scope``.
    """
    asked = list(dict.fromkeys(scope.split(" ")))
    granted = [one for one in asked if one in _API]
    if not granted:
        raise OAuthError(ErrorCode.INVALID_SCOPE, "the scope urn:matrix:client:api:* is needed")
    devices = {one.removeprefix(prefix): one for one in asked for prefix in _DEVICE if one.startswith(prefix)}
    if len(devices) != 1:
        raise OAuthError(ErrorCode.INVALID_SCOPE, "one scope urn:matrix:client:device: is needed, and one only")
    [(device_id, as_asked)] = devices.items()
    if not _DEVICE_ID.fullmatch(device_id):
        raise OAuthError(ErrorCode.INVALID_SCOPE, "a device id has 10 to 255 letters, digits and . _ ~ -")
    return Grant(device_id, " ".join([*granted, as_asked]))
