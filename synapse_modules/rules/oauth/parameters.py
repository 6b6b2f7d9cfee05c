"""Parameters of a query or a form: each at most once, of readable text (RFC 6749, 3.1 and 3.2)."""

from __future__ import annotations

from urllib.parse import parse_qsl

from synapse_modules.rules.oauth.errors import ErrorCode, OAuthError

_MOST = 50
_LONGEST = 8_192


def read_parameters(encoded: bytes, *, may_repeat: bool = False) -> dict[str, str]:
    """The parameters by name; of one that is empty nothing was said.

    Args:
        encoded: ``application/x-www-form-urlencoded``.
        may_repeat: whether a parameter that stands there twice is left out instead of refused.

    Raises:
        OAuthError: ``invalid_request``.
    """
    try:
        pairs = parse_qsl(
            encoded.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST, encoding="utf-8", errors="strict"
        )
    except ValueError:
        raise OAuthError(ErrorCode.INVALID_REQUEST, "the parameters are not form-encoded UTF-8") from None
    names = [name for name, _ in pairs]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated and not may_repeat:
        raise OAuthError(ErrorCode.INVALID_REQUEST, "a parameter stands there more than once")
    if any(len(value) > _LONGEST or "\0" in value for _, value in pairs):
        raise OAuthError(ErrorCode.INVALID_REQUEST, "a parameter is too long or holds NUL")
    return {name: value for name, value in pairs if value and name not in repeated}
