"""The calls of docs/contracts.md as a table: which scope each needs, and where a component's token endpoint is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from messenger_core.homeserver_interface import HOMESERVER_TOKEN_PATH, MACHINE_PREFIX
from sandbox.faults import WrongCommand

Component = Literal["homeserver", "directory", "bot"]
TOKEN_ENDPOINTS: dict[Component, str] = {
    "homeserver": HOMESERVER_TOKEN_PATH,
    "directory": "/oauth2/token",
    "bot": "/oauth2/token",
}
OPEN = "open"
"""No access token: anybody may ask, or the body proves who calls."""
PERSONAL = "personal"
"""No machine's call: the person herself proves who she is."""


class NotInContract(WrongCommand):
    """A call that the contract does not know."""


@dataclass(frozen=True, slots=True)
class Call:
    """One row: a component, a method, a path below the component's prefix, and the scope."""

    component: Component
    method: str
    path: str
    scope: str


_H: Component = "homeserver"
_D: Component = "directory"
_B: Component = "bot"
CALLS = (
    Call(_H, "POST", "/v1/memberships/end", "membership:write"),
    Call(_H, "POST", "/v1/memberships/undo", "membership:write"),
    Call(_H, "POST", "/v1/memberships/batch", "membership:write"),
    Call(_H, "POST", "/v1/memberships/status", "membership:write"),
    Call(_H, "POST", "/v1/kvnr-keys/rotate", "kvnr-key:rotate"),
    Call(_H, "POST", "/v1/insured/lookup", "insured:read"),
    Call(_H, "GET", "/v1/changes", "account:events"),
    Call(_H, "GET", "/v1/care-rooms/idle", "retention:act"),
    Call(_H, "POST", "/v1/care-rooms/leave", "retention:act"),
    Call(_H, "POST", "/v1/care-rooms/forget", "retention:act"),
    Call(_H, "PUT", "/v1/insured/retention", "retention:act"),
    Call(_H, "POST", "/v1/erasures", "erasure:act"),
    Call(_H, "POST", "/v1/kvnr-keys/rotate", "kvnr-key:rotate"),
    Call(_H, "PUT", "/v1/practices", "practice:provision"),
    Call(_D, "POST", "/oauth2/register", OPEN),
    Call(_D, "GET", "/owner/practice", "practice:write"),
    Call(_D, "PUT", "/owner/practice", "practice:write"),
    Call(_D, "PUT", "/owner/visibility", "practice:write"),
    Call(_D, "POST", "/owner/withdraw", "practice:write"),
    Call(_D, "GET", "/reachable", "reachability:read"),
    Call(_D, "POST", "/people-search", "directory:search"),
    Call(_D, "POST", "/practice-sign-in-codes", "practice:sign-in"),
    Call(_D, "GET", "/tim-authenticate", PERSONAL),
    Call(_D, "GET", "/metadata", OPEN),
    Call(_D, "GET", "/.well-known/jwks.json", OPEN),
    Call(_D, "GET", "/fdv/search/HealthcareService", PERSONAL),
    Call(_D, "GET", "/search/HealthcareService", PERSONAL),
    Call(_B, "GET", "/v1/retention/due", "erasure:act"),
    Call(_B, "POST", "/v1/retention/erase", "erasure:act"),
    Call(_B, "GET", "/v1/retention/held", "erasure:act"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A call with the full path and query to send."""

    call: Call
    path: str


def find_call(method: str, address: str) -> Target:
    """The row that a method and ``component:/path?query`` belong to.

    For the homeserver the path may leave out ``/_synapse/client/hek`` and ``/v1``. A ``+`` in the query is taken as it
    is, so that a moment with its zone can be typed plainly.

    Raises:
        NotInContract: with what can be called there.
    """
    component, _, path = address.partition(":")
    known = [call for call in CALLS if call.component == component]
    if not known:
        raise NotInContract(f"{address!r} names no component; write homeserver:/…, directory:/… or bot:/…")
    plain = urlsplit(path).path.removeprefix(MACHINE_PREFIX)
    if component == "homeserver" and not plain.startswith("/v1/"):
        plain = f"/v1{plain}"
    for call in known:
        if (call.method, call.path) == (method.upper(), plain):
            query = urlsplit(path).query.replace("+", "%2B")
            prefix = MACHINE_PREFIX if component == "homeserver" else ""
            return Target(call, prefix + plain + (f"?{query}" if query else ""))
    allowed = ", ".join(f"{call.method} {call.path}" for call in known)
    raise NotInContract(f"{method.upper()} {plain} is not in the contract; {component} has: {allowed}")
