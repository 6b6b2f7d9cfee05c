"""What a browser keeps of a sign-in that is under way, and where it is sent for signing in."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode

from messenger_core.homeserver_interface import OAUTH_CALLBACK_PATH
from synapse_modules.adapters.oauth.http import Answer, redirect

_SSO_PATH = "/_matrix/client/v3/login/sso/redirect"
_COOKIE = "__Host-hek-sign-in-"
_FOR_THIS_BROWSER_ALONE = "; Path=/; Secure; HttpOnly; SameSite=Lax"
_MOST_UNDER_WAY = 4
LARGEST = 3_900
"""Letters of a value; browsers keep 4096 with the name."""


def held(cookies: Mapping[str, str], sign_in_id: str) -> str:
    """What a browser holds of a sign-in; empty if it is another browser's."""
    return cookies.get(_COOKIE + sign_in_id, "")


def remember(sign_in_id: str, sealed: str, lifetime: timedelta) -> tuple[str, str]:
    """Has a browser keep what is sealed of a sign-in."""
    return set_cookie(_COOKIE + sign_in_id, sealed, lifetime)


def forget(sign_in_id: str) -> tuple[str, str]:
    """Has a browser forget a sign-in."""
    return set_cookie(_COOKIE + sign_in_id, "", timedelta())


def set_cookie(name: str, value: str, lifetime: timedelta) -> tuple[str, str]:
    """A header for a cookie that no script reads and no other host sees."""
    return "Set-Cookie", f"{name}={value}; Max-Age={int(lifetime.total_seconds())}{_FOR_THIS_BROWSER_ALONE}"


def begin_sign_in(public_url: str, cookies: Mapping[str, str], sealed: str, lifetime: timedelta) -> Answer:
    """Sends a browser to the homeserver's own sign-in, from where it comes back to the callback with ``r``.

    What many sign-ins left that came to nothing is forgotten: all of it goes with every request.
    """
    sign_in_id = secrets.token_urlsafe(16)
    under_way = [name.removeprefix(_COOKIE) for name in cookies if name.startswith(_COOKIE)]
    callback = f"{public_url}{OAUTH_CALLBACK_PATH}?{urlencode({'r': sign_in_id})}"
    return redirect(
        f"{public_url}{_SSO_PATH}?{urlencode({'redirectUrl': callback})}",
        [
            *(forget(one) for one in (under_way if len(under_way) >= _MOST_UNDER_WAY else [])),
            remember(sign_in_id, sealed, lifetime),
        ],
    )
