"""Where the homeserver's module answers machines, and how accounts sign in by key: the names both sides use."""

from __future__ import annotations

MACHINE_PREFIX = "/_synapse/client/hek"
"""Everything that the module answers stands below it (docs/contracts.md)."""
HOMESERVER_TOKEN_PATH = f"{MACHINE_PREFIX}/oauth2/token"
CALLS_PREFIX = f"{MACHINE_PREFIX}/v1"
LOGIN_PATH = "/_matrix/client/v3/login"
"""Its full address is the audience of sign-ins by key."""
KEY_LOGIN_TYPE = "de.hek.login.private_key_jwt"
SIGN_IN_PREFIX = "/_synapse/client/sign_in"
"""Matrix's OAuth API and its pages stand below it."""
OAUTH_CALLBACK_PATH = f"{SIGN_IN_PREFIX}/callback"
"""Where a person comes back to from the homeserver's own sign-in."""
