"""How much a request may bring, and how long it may take."""

from __future__ import annotations

import pytest

from synapse_modules.rules.request_limits import (
    ANONYMOUS_BYTES,
    BODY_S,
    FORM_BYTES,
    HEAD_S,
    MOST_FIELDS,
    SIGNED_IN_BYTES,
    SLOWEST_BYTES_PER_S,
    TRANSACTION_BYTES,
    HeadFault,
    Phase,
    RequestHead,
    has_too_many_fields,
    head_fault,
    is_overdue,
    most_bytes,
)

_FORM = "application/x-www-form-urlencoded"
_BEARER = "Bearer syt_x"


@pytest.mark.parametrize(
    ("head", "limit"),
    [
        (RequestHead("/_matrix/client/v3/login"), ANONYMOUS_BYTES),
        (RequestHead("/_matrix/client/v3/sync", content_type=f"{_FORM}; charset=utf-8"), FORM_BYTES),
        (RequestHead("/_matrix/media/v3/upload", content_type=_FORM.upper(), authorization=_BEARER), FORM_BYTES),
        (RequestHead("/_matrix/media/v3/upload"), ANONYMOUS_BYTES),
        (RequestHead("/_matrix/media/v3/upload", authorization=_BEARER), None),
        (RequestHead("/_matrix/media/v3/upload", query="access_token=syt_x"), None),
        (RequestHead("/_matrix/client/v3/createRoom", authorization=_BEARER), SIGNED_IN_BYTES),
        (RequestHead("/_matrix/client/v3/room_keys/keys", authorization=_BEARER), 4 * SIGNED_IN_BYTES),
        (RequestHead("/_matrix/federation/v1/send/1", authorization="X-Matrix origin=x"), TRANSACTION_BYTES),
        (RequestHead("/_matrix/federation/v2/invite/a/b", authorization="X-Matrix origin=x"), SIGNED_IN_BYTES),
        (RequestHead("/_matrix/federation/v1/send/1"), ANONYMOUS_BYTES),
        (RequestHead("/_synapse/replication/fed_send_events/x"), None),
        (RequestHead("/_synapse/client/hek/oauth2/token", content_type=_FORM), FORM_BYTES),
        (RequestHead("/nowhere"), ANONYMOUS_BYTES),
    ],
)
def test_a_body_is_as_large_as_its_purpose_needs(head: RequestHead, limit: int | None) -> None:
    assert most_bytes(head) == limit


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        (RequestHead("/", length=ANONYMOUS_BYTES), None),
        (RequestHead("/", length=None), None),
        (RequestHead("/", encoding="identity"), None),
        (RequestHead("/", query="&".join(["a=1"] * MOST_FIELDS)), None),
        (RequestHead("/", length=ANONYMOUS_BYTES + 1), HeadFault.TOO_LARGE),
        (RequestHead("/", encoding="gzip"), HeadFault.COMPRESSED),
        (RequestHead("/", encoding="GZIP, br", authorization=_BEARER), HeadFault.COMPRESSED),
        (RequestHead("/", query="&".join(["a=1"] * (MOST_FIELDS + 1))), HeadFault.TOO_MANY_FIELDS),
        (RequestHead("/", query=";" * MOST_FIELDS), HeadFault.TOO_MANY_FIELDS),
    ],
)
def test_what_is_too_much_is_refused_by_its_head(head: RequestHead, fault: HeadFault | None) -> None:
    assert head_fault(head) is fault


def test_a_form_has_as_many_fields_as_anybody_sends() -> None:
    assert not has_too_many_fields(b"&".join([b"a=1"] * MOST_FIELDS))
    assert has_too_many_fields(b"a&" * MOST_FIELDS)


@pytest.mark.parametrize(
    ("phase", "elapsed_s", "received", "overdue"),
    [
        (Phase.IDLE, 1e6, 0, False),
        (Phase.ANSWER, 1e6, 0, False),
        (Phase.HEAD, HEAD_S, 0, False),
        (Phase.HEAD, HEAD_S + 1, 0, True),
        (Phase.BODY, BODY_S, 0, False),
        (Phase.BODY, BODY_S + 1, 0, True),
        (Phase.BODY, BODY_S + 99, 100 * SLOWEST_BYTES_PER_S, False),
        (Phase.BODY, BODY_S + 101, 100 * SLOWEST_BYTES_PER_S, True),
    ],
)
def test_what_takes_too_long_is_overdue(phase: Phase, elapsed_s: float, received: int, *, overdue: bool) -> None:
    assert is_overdue(phase, elapsed_s, received) is overdue
