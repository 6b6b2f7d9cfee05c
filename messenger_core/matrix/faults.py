"""What can go wrong between a service and its homeserver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import nio


class SendFailed(Exception):  # noqa: N818 - reads as what happened
    """The homeserver did not do what it was asked.

    Attributes:
        errcode: its Matrix error code; None if it could not be asked.
    """

    def __init__(self, what: str, errcode: str | None = None) -> None:
        super().__init__(f"{what}: {errcode}" if errcode else what)
        self.errcode = errcode


class FileUnreadable(SendFailed):
    """A file does not exist, or is not what its event says; asking again would not help."""


@contextmanager
def reaching_homeserver() -> Iterator[None]:
    """Turns whatever a homeserver that is away or answers oddly raises into ``SendFailed``."""
    try:
        yield
    except (TimeoutError, aiohttp.ClientError, nio.exceptions.ProtocolError, KeyError, TypeError, ValueError) as fault:
        raise SendFailed(f"the homeserver could not be asked: {type(fault).__name__}") from None


def taken(answer: Any) -> Any:
    """The answer of nio if it is not an error.

    Raises:
        SendFailed: if it is one.
    """
    if isinstance(answer, nio.ErrorResponse):
        raise SendFailed("the homeserver refused", answer.status_code)
    return answer
