"""Registration of clients (RFC 7591, Matrix "Client registration"): who may register what, and the id that holds it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import unicodedata
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from synapse_modules.rules.oauth.client_addresses import (
    is_app_address,
    is_at_or_below,
    read_web_address,
    without_port,
)
from synapse_modules.rules.oauth.errors import ErrorCode, OAuthError

_MOST_REDIRECTS = 20
_LONGEST_NAME = 60
_LONGEST_ID = 1_200
_LARGEST_REGISTRATION = 16_384
_GRANTS = ("authorization_code", "refresh_token")
_OF_THE_CLIENT = ("logo_uri", "tos_uri", "policy_uri")


class ApplicationType(Enum):
    """What kind of program a client is."""

    WEB = "web"
    NATIVE = "native"


class ReturnKind(Enum):
    """Where an answer goes."""

    WEB = "web"
    APP = "app"
    LOOPBACK = "loopback"


@dataclass(frozen=True, slots=True)
class AdmittedClients:
    """Whose programs may ask people for access.

    Attributes:
        hosts: the hosts of their ``client_uri``, with all below them; None admits anybody's.
    """

    hosts: tuple[str, ...] | None

    @property
    def closed(self) -> bool:
        """Whether nobody is admitted."""
        return self.hosts == ()

    def entry_for(self, host: str) -> str | None:
        """The entry that admits a host, ``any`` if all are; None if it is not admitted."""
        if self.hosts is None:
            return "any"
        return next((entry for entry in self.hosts if is_at_or_below(host, entry)), None)


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    """What of a registration counts.

    Attributes:
        host: of its ``client_uri``.
        name: what it calls itself, for people; its host if it does not.
        redirect_uris: as they were registered.
    """

    client_uri: str
    host: str
    name: str
    application_type: ApplicationType
    redirect_uris: tuple[str, ...]

    def allows_return_to(self, address: str) -> bool:
        """Whether an answer may go to an address: exactly as it was registered, on loopback at any port."""
        if address in self.redirect_uris:
            return True
        at_any_port = without_port(address)
        return at_any_port is not None and at_any_port in map(without_port, self.redirect_uris)

    def body(self) -> dict[str, Any]:
        """What was registered, as the answer says it."""
        return {
            "application_type": self.application_type.value,
            "client_name": self.name,
            "client_uri": self.client_uri,
            "grant_types": list(_GRANTS),
            "redirect_uris": list(self.redirect_uris),
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }


def kind_of_return(address: str) -> ReturnKind:
    """Where an answer to a registered address goes."""
    if address.startswith("https://"):
        return ReturnKind.WEB
    return ReturnKind.LOOPBACK if address.startswith("http://") else ReturnKind.APP


def read_client_metadata(body: bytes, admitted: AdmittedClients) -> ClientMetadata:
    """Checks a registration.

    Raises:
        OAuthError: ``invalid_client_metadata`` or ``invalid_redirect_uri``.
    """
    said = _read_object(body)
    if "id_token_signed_response_alg" in said:
        # A client of the time before Matrix 1.15 that needs an ID token; it then signs in by m.login.sso.
        raise _wrong("id_token_signed_response_alg: there are no ID tokens here")
    client_uri = said.get("client_uri")
    address = read_web_address(client_uri) if isinstance(client_uri, str) else None
    if address is None or not isinstance(client_uri, str):
        raise _wrong("client_uri: an https address of the client's own host is needed")
    if admitted.entry_for(address.host) is None:
        raise _wrong("client_uri: this client is not admitted here")
    for key in _OF_THE_CLIENT:
        _check_own_address(key, said.get(key), address.host)
    if said.get("token_endpoint_auth_method", "none") != "none":
        raise _wrong("token_endpoint_auth_method: only none, clients have no secrets here")
    try:
        application_type = ApplicationType(said.get("application_type", ApplicationType.WEB.value))
    except ValueError:
        raise _wrong("application_type: web or native") from None
    _check_offer("grant_types", said, _GRANTS[0])
    _check_offer("response_types", said, "code")
    redirects = _read_redirects(said.get("redirect_uris"), application_type, address.host)
    name = _clean_name(said.get("client_name"))
    return ClientMetadata(client_uri, address.host, name or address.host, application_type, redirects)


def _read_object(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body) if len(body) <= _LARGEST_REGISTRATION else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise _wrong("a JSON object of at most 16 KiB is expected")
    return said


def _check_own_address(key: str, value: object, host: str) -> None:
    if value is None:
        return
    address = read_web_address(value) if isinstance(value, str) else None
    if address is None or not is_at_or_below(address.host, host):
        raise _wrong(f"{key}: must be an https address on the client's own host")


def _check_offer(key: str, said: Mapping[str, Any], needed: str) -> None:
    """What a client may use beside it and there is not here is left out, not refused."""
    offered = said.get(key, [needed])
    if not isinstance(offered, list) or needed not in offered:
        raise _wrong(f"{key}: must name {needed}")


def _read_redirects(value: object, application_type: ApplicationType, host: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_REDIRECTS:
        raise OAuthError(ErrorCode.INVALID_REDIRECT_URI, f"redirect_uris: 1 to {_MOST_REDIRECTS} are needed")
    for one in value:
        if not isinstance(one, str) or not _may_return(one, application_type, host):
            raise OAuthError(
                ErrorCode.INVALID_REDIRECT_URI,
                "redirect_uris: https on the client's own host; native clients also a private scheme that begins with "
                "that host backwards, or http on loopback",
            )
    return tuple(value)


def _may_return(address: str, application_type: ApplicationType, host: str) -> bool:
    web = read_web_address(address)
    if web is not None:
        return is_at_or_below(web.host, host)
    is_native = application_type is ApplicationType.NATIVE
    return is_native and (is_app_address(address, host) or without_port(address) is not None)


def _clean_name(value: object) -> str:
    """A name without what cannot be seen or turns the direction of writing, cut to a line."""
    if not isinstance(value, str):
        return ""
    letters = (" " if letter.isspace() else letter for letter in value[:1_000])
    seen = "".join(letter for letter in letters if letter == " " or unicodedata.category(letter)[0] not in "CZ")
    return " ".join(seen.split())[:_LONGEST_NAME].strip()


def _wrong(description: str) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_CLIENT_METADATA, description)


class ClientIds:
    """Ids that hold what was registered, signed by this house: nothing is stored for a stranger.

    Equal registrations have one id. Whether its host is admitted is asked again wherever the id is used.
    """

    def __init__(self, key: bytes, admitted: AdmittedClients) -> None:
        self._key = key
        self._admitted = admitted

    def issue(self, client: ClientMetadata) -> str:
        """The id of a client.

        Raises:
            OAuthError: if so much was registered that no address could hold the id.
        """
        held = [
            client.client_uri,
            client.host,
            client.name,
            client.application_type.value,
            *sorted(client.redirect_uris),
        ]
        content = zlib.compress(json.dumps(held, ensure_ascii=False, separators=(",", ":")).encode(), 9)
        client_id = f"{_encode(content)}.{_encode(self._signature(content))}"
        if len(client_id) > _LONGEST_ID:
            raise OAuthError(ErrorCode.INVALID_REDIRECT_URI, "redirect_uris: they are too long together")
        return client_id

    def read(self, client_id: str) -> ClientMetadata | None:
        """The client of an id; None if it is not of this house or its client not admitted any more."""
        content_part, _, signature_part = client_id[:_LONGEST_ID].partition(".")
        try:
            content, signature = _decode(content_part), _decode(signature_part)
        except (ValueError, binascii.Error):
            return None
        if f"{_encode(content)}.{_encode(signature)}" != client_id:
            return None
        if not hmac.compare_digest(signature, self._signature(content)):
            return None
        client_uri, host, name, application_type, *redirects = json.loads(zlib.decompress(content))
        if self._admitted.entry_for(host) is None:
            return None
        return ClientMetadata(client_uri, host, name, ApplicationType(application_type), tuple(redirects))

    def _signature(self, content: bytes) -> bytes:
        return hmac.new(self._key, content, hashlib.sha256).digest()[:16]


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
