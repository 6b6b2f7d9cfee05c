"""The table of refusals of the OAuth API: each with OAuth's right code, and nothing left of it in any table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from synapse_modules.rules.oauth.client_metadata import AdmittedClients, ClientIds, read_client_metadata
from tests.synapse_modules.homeserver_under_test import Homeserver, claims, new_kvnr
from tests.synapse_modules.oauth.clients import (
    ELEMENT_DESKTOP,
    ELEMENT_WEB,
    FLUFFYCHAT_DESKTOP,
    OLD_ELEMENT_WEB,
)
from tests.synapse_modules.oauth.phone_client import ELEMENT_X_ANDROID, PhoneClient, RefusedError

_GONE: Any = object()
_TABLES = ("devices", "access_tokens", "refresh_tokens", "login_tokens", "hek_oauth_session", "hek_audit")


@dataclass(frozen=True)
class Registration:
    """A registration that is refused: a right one with something changed."""

    name: str
    changed: dict[str, Any]
    error: str = "invalid_client_metadata"
    of: str = "web"


_WEB: dict[str, Any] = ELEMENT_WEB
_NATIVE: dict[str, Any] = ELEMENT_DESKTOP
_REDIRECT = "invalid_redirect_uri"


def _redirects(*addresses: str) -> dict[str, Any]:
    return {"redirect_uris": list(addresses)}


# The first names are those of Matrix Authentication Service's own cases (policies/client_registration).
REGISTRATIONS = (
    Registration("missing client_uri", {"client_uri": _GONE}),
    Registration("insecure client_uri", {"client_uri": "http://app.element.io/"}),
    Registration("client_uri is no text", {"client_uri": 7}),
    Registration("client_uri without host", {"client_uri": "https:///"}),
    Registration("client_uri with user information", {"client_uri": "https://app.element.io@evil.example/"}),
    Registration("client_uri of nobody admitted", {"client_uri": "https://evil.example/"} | _redirects("https://evil.example/")),
    Registration("client_uri that only ends like it", {"client_uri": "https://notelement.io/"} | _redirects("https://notelement.io/")),
    Registration("client_uri below another", {"client_uri": "https://element.io.evil.example/"} | _redirects("https://element.io.evil.example/")),
    Registration("client_uri is a public suffix", {"client_uri": "https://co.uk/"}),
    Registration("client_uri is an address", {"client_uri": "https://192.0.2.1/"}),
    Registration("client_uri is localhost", {"client_uri": "https://localhost/"}),
    Registration("insecure tos_uri", {"tos_uri": "http://app.element.io/tos"}),
    Registration("tos_uri on another host", {"tos_uri": "https://evil.example/tos"}),
    Registration("insecure policy_uri", {"policy_uri": "http://app.element.io/policy"}),
    Registration("policy_uri on another host", {"policy_uri": "https://evil.example/policy"}),
    Registration("insecure logo_uri", {"logo_uri": "http://app.element.io/logo"}),
    Registration("logo_uri on another host", {"logo_uri": "https://evil.example/logo"}),
    Registration("logo_uri runs something", {"logo_uri": "javascript:alert(1)"}),
    Registration("no redirect_uris", {"redirect_uris": _GONE}, _REDIRECT),
    Registration("empty redirect_uris", _redirects(), _REDIRECT),
    Registration("too many redirect_uris", _redirects(*(f"https://app.element.io/{n}" for n in range(21))), _REDIRECT),
    Registration("redirect on another host", _redirects("https://evil.example/"), _REDIRECT),
    Registration("one of two elsewhere", _redirects("https://app.element.io/", "https://evil.example/"), _REDIRECT),
    Registration("redirect on the host above", _redirects("https://element.io/"), _REDIRECT),
    Registration("insecure redirect", _redirects("http://app.element.io/"), _REDIRECT),
    Registration("localhost for web", _redirects("http://localhost/"), _REDIRECT),
    Registration("secure localhost for web", _redirects("https://localhost/"), _REDIRECT),
    Registration("loopback for web", _redirects("http://127.0.0.1/"), _REDIRECT),
    Registration("custom scheme for web", _redirects("io.element.app:/"), _REDIRECT),
    Registration("redirect with fragment", _redirects("https://app.element.io/#x"), _REDIRECT),
    Registration("redirect with user information", _redirects("https://x@app.element.io/"), _REDIRECT),
    Registration("redirect with a backslash", _redirects("https://app.element.io\\@evil.example/"), _REDIRECT),
    Registration("redirect with steps up", _redirects("https://app.element.io/a/../b"), _REDIRECT),
    Registration("redirect with hidden steps up", _redirects("https://app.element.io/a/%2e%2E/b"), _REDIRECT),
    Registration("redirect with a blank", _redirects("https://app.element.io/a b"), _REDIRECT),
    Registration("redirect in other letters", _redirects("https://app.elemént.io/"), _REDIRECT),
    Registration("redirect to port 0", _redirects("https://app.element.io:0/"), _REDIRECT),
    Registration("client_credentials alone", {"grant_types": ["client_credentials"]}),
    Registration("implicit grant alone", {"response_types": ["token"]}),
    Registration("grant_types is no list", {"grant_types": "authorization_code"}),
    Registration("a client with a secret", {"token_endpoint_auth_method": "client_secret_basic"}),
    Registration("unknown application_type", {"application_type": "television"}),
    Registration("ID tokens", {"id_token_signed_response_alg": "RS256"}),
    Registration("custom scheme of another", _redirects("im.fluffychat.auth:/login"), _REDIRECT, of="native"),
    Registration("custom scheme that only begins like it", _redirects("io.elementary:/"), _REDIRECT, of="native"),
    Registration("custom scheme of the top level", _redirects("io:/"), _REDIRECT, of="native"),
    Registration("custom scheme without a dot", _redirects("element:/"), _REDIRECT, of="native"),
    Registration("custom scheme with a host", _redirects("io.element.desktop://evil.example/"), _REDIRECT, of="native"),
    Registration("custom scheme with a fragment", _redirects("io.element.desktop:/#x"), _REDIRECT, of="native"),
    Registration("a script", _redirects("javascript:alert(1)"), _REDIRECT, of="native"),
    Registration("data", _redirects("data:text/html,x"), _REDIRECT, of="native"),
    Registration("https on loopback", _redirects("https://127.0.0.1/"), _REDIRECT, of="native"),
    Registration("loopback by another name", _redirects("http://127.0.0.2/"), _REDIRECT, of="native"),
    Registration("loopback below another host", _redirects("http://localhost.evil.example/"), _REDIRECT, of="native"),
    Registration("insecure host for native", _redirects("http://element.io/"), _REDIRECT, of="native"),
)  # fmt: skip


@pytest.mark.parametrize("row", REGISTRATIONS, ids=lambda row: row.name)
async def test_a_registration_is_refused(homeserver: Homeserver, row: Registration) -> None:
    right = _NATIVE if row.of == "native" else _WEB
    said = {key: value for key, value in (right | row.changed).items() if value is not _GONE}
    status, content = await PhoneClient(homeserver).post("/register", json=said)
    assert (status, content["error"]) == (400, row.error)
    assert "client_id" not in content
    assert (await PhoneClient(homeserver).post("/register", json=right))[0] == 201


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"7", b"{", b"\xff\xfe", b"[" * 20_000, b'{"a": "' + b"x" * 17_000 + b'"}']
)
async def test_what_is_no_registration_is_refused(homeserver: Homeserver, body: bytes) -> None:
    status, content = await PhoneClient(homeserver).post("/register", data=body)
    assert (status, content["error"]) == (400, "invalid_client_metadata")


async def test_old_element_web_is_refused_so_that_it_signs_in_as_it_did(homeserver: Homeserver) -> None:
    with pytest.raises(RefusedError, match="400 invalid_client_metadata"):
        await PhoneClient(homeserver, OLD_ELEMENT_WEB).register()


_API, _DEVICE, _OLD_DEVICE = (
    "urn:matrix:client:api:*",
    "urn:matrix:client:device:",
    "urn:matrix:org.matrix.msc2967.client:device:",
)
AUTHORISATIONS: tuple[tuple[str, dict[str, str | None], str], ...] = (
    ("no response_type", {"response_type": None}, "unsupported_response_type"),
    ("implicit", {"response_type": "token"}, "unsupported_response_type"),
    ("hybrid", {"response_type": "code id_token"}, "unsupported_response_type"),
    ("form_post", {"response_mode": "form_post"}, "invalid_request"),
    ("request object", {"request": "eyJ"}, "request_not_supported"),
    ("request by reference", {"request_uri": "https://evil.example/"}, "request_uri_not_supported"),
    ("no challenge", {"code_challenge": None}, "invalid_request"),
    ("short challenge", {"code_challenge": "abc"}, "invalid_request"),
    ("challenge with padding", {"code_challenge": "A" * 43 + "="}, "invalid_request"),
    ("plain challenge", {"code_challenge_method": "plain"}, "invalid_request"),
    ("challenge without method", {"code_challenge_method": None}, "invalid_request"),
    ("no scope", {"scope": None}, "invalid_scope"),
    ("API alone", {"scope": "urn:matrix:client:api:*"}, "invalid_scope"),
    ("device alone", {"scope": "urn:matrix:client:device:ABCDEFGHIJ"}, "invalid_scope"),
    ("two devices", {"scope": f"{_API} {_DEVICE}ABCDEFGHIJ {_DEVICE}KLMNOPQRST"}, "invalid_scope"),
    ("two spellings of two devices", {"scope": f"{_API} {_DEVICE}ABCDEFGHIJ {_OLD_DEVICE}KLMNOPQRST"}, "invalid_scope"),
    ("short device", {"scope": "urn:matrix:client:api:* urn:matrix:client:device:ABC"}, "invalid_scope"),
    ("device with a slash", {"scope": "urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHI/"}, "invalid_scope"),
    ("device that is too long", {"scope": f"{_API} {_DEVICE}{'A' * 256}"}, "invalid_scope"),
    ("a part of the API", {"scope": "urn:matrix:client:api:read urn:matrix:client:device:ABCDEFGHIJ"}, "invalid_scope"),
    ("silent", {"prompt": "none"}, "login_required"),
    ("silent among others", {"prompt": "login none"}, "login_required"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "error"), [row[1:] for row in AUTHORISATIONS], ids=[row[0] for row in AUTHORISATIONS]
)
async def test_an_authorisation_request_is_refused_to_its_client(
    homeserver: Homeserver, changed: dict[str, Any], error: str
) -> None:
    before = _counts(homeserver)
    phone = PhoneClient(homeserver)
    await phone.register()
    with pytest.raises(RefusedError) as refusal:
        await phone.open_consent(claims(new_kvnr()), **changed)
    assert refusal.value.error == error
    assert _counts(homeserver) == before


@pytest.mark.parametrize("state", ["", "x" * 501, "with\nline", "ä"])
async def test_a_request_without_a_fit_state_is_refused(homeserver: Homeserver, state: str) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    address, _ = await phone.browser.open(phone.request(state=state))
    assert address.startswith("io.element.android:/?error=invalid_request")
    assert "state=" not in address


_FOREIGN_ID = ClientIds(b"of another house", AdmittedClients(None)).issue(
    read_client_metadata(json.dumps(ELEMENT_X_ANDROID).encode(), AdmittedClients(None))
)
UNTOLD: tuple[tuple[str, dict[str, str | None]], ...] = (
    ("no client", {"client_id": None}),
    ("unknown client", {"client_id": "phone"}),
    ("client of another house", {"client_id": _FOREIGN_ID}),
    ("no address", {"redirect_uri": None}),
    ("another address", {"redirect_uri": "https://evil.example/"}),
    ("more path", {"redirect_uri": "io.element.android:/more"}),
    ("more query", {"redirect_uri": "io.element.android:/?a=b"}),
    ("fragment", {"redirect_uri": "io.element.android:/#a"}),
    ("other case", {"redirect_uri": "IO.element.android:/"}),
    ("two slashes", {"redirect_uri": "io.element.android://"}),
    ("a blank at its end", {"redirect_uri": "io.element.android:/ "}),
    ("a script", {"redirect_uri": "javascript:alert(1)"}),
    ("loopback that was not registered", {"redirect_uri": "http://localhost/"}),
)  # fmt: skip


@pytest.mark.parametrize("changed", [row[1] for row in UNTOLD], ids=[row[0] for row in UNTOLD])
async def test_whom_nobody_can_be_told_of_the_person_reads(
    homeserver: Homeserver, changed: dict[str, str | None]
) -> None:
    before = _counts(homeserver)
    phone = PhoneClient(homeserver)
    await phone.register()
    address, page = await phone.browser.open(phone.request(**changed))
    assert address.startswith(phone.base)
    assert "Diese App kennen wir nicht" in page.text
    assert not [link for link in page.links if "evil" in link]
    assert _counts(homeserver) == before


async def test_a_parameter_that_stands_there_twice_is_refused(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    address, _ = await phone.browser.open(phone.request() + "&scope=openid")
    assert phone.read_answer(address)["error"] == "invalid_request"
    for name in ("client_id", "redirect_uri"):
        _, page = await phone.browser.open(f"{phone.request()}&{name}=x")
        assert "Diese App kennen wir nicht" in page.text


TOKENS: tuple[tuple[str, dict[str, str], str], ...] = (
    ("no grant_type", {"grant_type": ""}, "invalid_request"),
    ("password", {"grant_type": "password", "username": "x", "password": "y"}, "unsupported_grant_type"),
    ("client_credentials", {"grant_type": "client_credentials"}, "unsupported_grant_type"),
    ("device code", {"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, "unsupported_grant_type"),
    ("no client", {"client_id": ""}, "invalid_request"),
    ("unknown client", {"client_id": "phone"}, "invalid_client"),
    ("no code", {"code": ""}, "invalid_request"),
    ("unknown code", {"code": "gAAAAA"}, "invalid_grant"),
    ("code that is no ASCII", {"code": "ä"}, "invalid_grant"),
    ("no address", {"redirect_uri": ""}, "invalid_request"),
    ("other address", {"redirect_uri": "io.element.android:/x"}, "invalid_grant"),
    ("no verifier", {"code_verifier": ""}, "invalid_request"),
    ("short verifier", {"code_verifier": "abc"}, "invalid_request"),
    ("long verifier", {"code_verifier": "a" * 129}, "invalid_request"),
    ("other verifier", {"code_verifier": "a" * 43}, "invalid_grant"),
)


async def test_a_code_is_refused_with_anything_wrong_and_good_afterwards(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    code = await phone.get_code(claims(new_kvnr()))
    before = _counts(homeserver)
    for name, changed, error in TOKENS:
        status, content = await phone.ask_tokens(code, **changed)
        assert (status, content["error"]) == (400, error), name
        assert set(content) == {"error", "error_description"}
        assert _counts(homeserver) == before, name
    assert (await phone.ask_tokens(code))[0] == 200


async def test_a_code_of_another_client_is_refused(homeserver: Homeserver) -> None:
    phone, other = PhoneClient(homeserver), PhoneClient(homeserver, FLUFFYCHAT_DESKTOP)
    await phone.register()
    other_id = await other.register()
    code = await phone.get_code(claims(new_kvnr()))
    status, content = await phone.ask_tokens(code, client_id=other_id)
    assert (status, content["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("path", ["/token", "/revoke"])
async def test_forms_alone_are_read_and_of_the_address_nothing(homeserver: Homeserver, path: str) -> None:
    phone = PhoneClient(homeserver)
    for how in (
        {"json": {"token": "x", "grant_type": "refresh_token"}},
        {"data": b"token=x", "headers": {"Content-Type": "text/plain"}},
        {"params": {"token": "x", "grant_type": "refresh_token"}, "data": {}},
        {"data": b"token=%ff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"data": b"token=x&token=y", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"data": {"token": "x" * 9_000}},
        {"data": {f"a{number}": "x" for number in range(60)}},
    ):
        status, content = await phone.post(path, **how)
        assert (status, content["error"]) == (400, "invalid_request"), how


@pytest.mark.parametrize("path", ["/register", "/token", "/revoke"])
async def test_a_request_without_end_is_refused_unread(homeserver: Homeserver, path: str) -> None:
    status, _ = await PhoneClient(homeserver).post(path, data={"token": "x" * 1_000_000})
    assert status == 413


async def test_a_locked_door_tells_its_methods(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver)
    status, content = await phone.post("/authorize")
    assert (status, content["error"]) == (405, "invalid_request")
    status, content = await phone.post("/nothing")
    assert (status, content["error"]) == (404, "invalid_request")


def test_the_table_is_as_long_as_it_should_be() -> None:
    names = [*(row.name for row in REGISTRATIONS), *(row[0] for row in (*AUTHORISATIONS, *UNTOLD, *TOKENS))]
    assert len(names) >= 60


def _counts(homeserver: Homeserver) -> dict[str, int]:
    return {table: homeserver.count(table) for table in _TABLES}
