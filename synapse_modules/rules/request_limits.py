"""How much a request may bring and how long it may take: by what its head says, before its body is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

MOST_FIELDS = 100
"""In a form or in the query of an address."""
FORM_BYTES = 16 * 1024
ANONYMOUS_BYTES = 64 * 1024
SIGNED_IN_BYTES = 1024 * 1024
KEY_BACKUP_BYTES = 4 * 1024 * 1024
"""Clients bring what they kept of a few hundred conversations at once."""
TRANSACTION_BYTES = 8 * 1024 * 1024
"""Fifty events of 64 KiB and a hundred notices for devices, as Matrix lets a server send them together."""

HEAD_S = 10.0
BODY_S = 30.0
SLOWEST_BYTES_PER_S = 8 * 1024
IDLE_S = 75
"""Longer than a proxy keeps a connection (nginx: 60 s), so that it is the proxy that closes it."""

_FORM = "application/x-www-form-urlencoded"
_KEY_BACKUP = re.compile(r"/_matrix/client/(?:v\d+|r0|unstable)/room_keys/keys(?:/.*)?")
_MEDIA = re.compile(r"/_matrix/(?:media|client/v\d+/media)/.*")
_TRANSACTION = re.compile(r"/_matrix/federation/v\d+/send/[^/]+")
_REPLICATION = "/_synapse/replication/"


class HeadFault(Enum):
    """Why a request is refused before its body is read; the value is the key of its text."""

    COMPRESSED = "request-compressed"
    TOO_LARGE = "request-too-large"
    TOO_MANY_FIELDS = "request-too-many-fields"

    @property
    def status(self) -> int:
        """Of the answer."""
        return {HeadFault.COMPRESSED: 415, HeadFault.TOO_LARGE: 413}.get(self, 400)


class Phase(Enum):
    """What a connection is doing."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What a request says of itself.

    Attributes:
        path: of the address, without its query.
        query: what stands behind the path.
        length: of the body, in bytes; None if it is not said.
        encoding: ``Content-Encoding``, empty if there is none.
        content_type: ``Content-Type``, empty if there is none.
        authorization: ``Authorization``, empty if there is none.
    """

    path: str
    query: str = ""
    length: int | None = 0
    encoding: str = ""
    content_type: str = ""
    authorization: str = ""

    @property
    def is_form(self) -> bool:
        """Whether the body is a form, which is taken apart before anybody looks whose it is."""
        return self.content_type.split(";")[0].strip().lower() == _FORM

    @property
    def names_somebody(self) -> bool:
        """Whether it brings a token or a signature; whether that is good is known later."""
        return bool(self.authorization) or "access_token=" in self.query


def most_bytes(head: RequestHead) -> int | None:
    """How large a body may be; None if Synapse's own limit is right (files, and what workers tell each other)."""
    if head.is_form:
        return FORM_BYTES
    if head.path.startswith(_REPLICATION):
        return None
    if not head.names_somebody:
        return ANONYMOUS_BYTES
    if _MEDIA.fullmatch(head.path):
        return None
    if _TRANSACTION.fullmatch(head.path):
        return TRANSACTION_BYTES
    return KEY_BACKUP_BYTES if _KEY_BACKUP.fullmatch(head.path) else SIGNED_IN_BYTES


def head_fault(head: RequestHead) -> HeadFault | None:
    """Why a request is refused for what its head says; None if its body may be read."""
    if head.encoding.strip().lower() not in {"", "identity"}:
        return HeadFault.COMPRESSED
    limit = most_bytes(head)
    if limit is not None and head.length is not None and head.length > limit:
        return HeadFault.TOO_LARGE
    return HeadFault.TOO_MANY_FIELDS if has_too_many_fields(head.query.encode()) else None


def has_too_many_fields(form: bytes) -> bool:
    """Whether a form or query has more fields than anybody sends; both signs that part them count."""
    return form.count(b"&") + form.count(b";") >= MOST_FIELDS


def is_overdue(phase: Phase, elapsed_s: float, received_bytes: int) -> bool:
    """Whether a request has been on its way for too long.

    Args:
        phase: what is being received.
        elapsed_s: since the head or the body began.
        received_bytes: of the body.
    """
    if phase is Phase.HEAD:
        return elapsed_s > HEAD_S
    return phase is Phase.BODY and elapsed_s > BODY_S + received_bytes / SLOWEST_BYTES_PER_S
