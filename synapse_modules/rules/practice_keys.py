"""A practice's keys: whether a new set takes a right away from whoever signs in with an old one."""

from __future__ import annotations

import json

from messenger_core.service_auth.keys import parse_jwks


def takes_a_key_away(before: str | None, after: str) -> bool:
    """Whether a key of a practice is no longer one; adding another beside it ends nothing.

    Args:
        before: the keys as they were, a JWK set as JSON; None if there were none, empty if it is not known which.
        after: the keys as they are from now on.
    """
    if before == "":
        return True
    return before is not None and not _thumbprints(before) <= _thumbprints(after)


def _thumbprints(jwks: str) -> set[str]:
    return {key.thumbprint() for key in parse_jwks(json.loads(jwks)).keys}
