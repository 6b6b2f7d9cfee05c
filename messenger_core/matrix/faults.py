"""What can go wrong between a service and its homeserver."""

from __future__ import annotations

from typing import Any

import nio


class SendFailed(Exception):  # noqa: N818 - reads as what happened
    """The homeserver did not take what was sent; the text names its error code."""


def taken(answer: Any) -> Any:
    """The answer of nio if it is not an error.

    Raises:
        SendFailed: if it is one.
    """
    if isinstance(answer, nio.ErrorResponse):
        raise SendFailed(f"the homeserver refused: {answer.status_code}")
    return answer
