"""What real clients send, word for word, as their sources of 2026 have it: registrations and authorisation requests."""

from __future__ import annotations

from typing import Any

from tests.synapse_modules.oauth.phone_client import ELEMENT_X_ANDROID

_CODE_AND_REFRESH = ["authorization_code", "refresh_token"]
ELEMENT_X_IOS: dict[str, Any] = ELEMENT_X_ANDROID | {
    "client_name": "Element X",
    "redirect_uris": ["https://element.io/oauth/ios/io.element.elementx"],
}
ELEMENT_WEB: dict[str, Any] = {
    "application_type": "web",
    "client_name": "Element",
    "client_uri": "https://app.element.io/",
    "grant_types": _CODE_AND_REFRESH,
    "logo_uri": "https://app.element.io/vector-icons/1024.png",
    "redirect_uris": ["https://app.element.io/?no_universal_links=true"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
ELEMENT_DESKTOP: dict[str, Any] = {
    "application_type": "native",
    "client_name": "Element",
    "client_uri": "https://element.io",
    "grant_types": _CODE_AND_REFRESH,
    "redirect_uris": ["io.element.desktop:/vector/webapp/?no_universal_links=true"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
OLD_ELEMENT_WEB: dict[str, Any] = ELEMENT_WEB | {
    "contacts": ["support@element.io"],
    "id_token_signed_response_alg": "RS256",
}
FLUFFYCHAT_MOBILE: dict[str, Any] = {
    "application_type": "native",
    "client_name": "FluffyChat",
    "client_uri": "https://fluffychat.im",
    "grant_types": _CODE_AND_REFRESH,
    "logo_uri": "https://fluffychat.im/assets/favicon.png",
    "policy_uri": "https://fluffychat.im/en/privacy/",
    "redirect_uris": ["im.fluffychat.auth:/login"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "tos_uri": "https://fluffychat.im/en/tos/",
}
FLUFFYCHAT_DESKTOP: dict[str, Any] = FLUFFYCHAT_MOBILE | {"redirect_uris": ["http://localhost:3001/login"]}
FLUFFYCHAT_WEB: dict[str, Any] = FLUFFYCHAT_MOBILE | {
    "application_type": "web",
    "redirect_uris": ["https://fluffychat.im/web/auth.html"],
}
SCHILDICHAT_NEXT: dict[str, Any] = (
    ELEMENT_X_ANDROID
    | {
        "client_name": "SchildiChat Next",
        "client_uri": "https://schildi.chat",
        "redirect_uris": ["chat.schildi.next:/"],
    }
    | dict.fromkeys(("logo_uri", "policy_uri", "tos_uri"), "https://schildi.chat/")
)

TODAYS_CLIENTS: dict[str, dict[str, Any]] = {
    "Element X on Android": ELEMENT_X_ANDROID,
    "Element X on iOS": ELEMENT_X_IOS,
    "Element Web": ELEMENT_WEB,
    "Element Desktop": ELEMENT_DESKTOP,
    "FluffyChat on phones": FLUFFYCHAT_MOBILE,
    "FluffyChat on desktops": FLUFFYCHAT_DESKTOP,
    "FluffyChat in browsers": FLUFFYCHAT_WEB,
    "SchildiChat Next": SCHILDICHAT_NEXT,
}
