"""Forms of Matrix identifiers in the bodies of calls: printable, so that every database takes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

WireUserId = Annotated[str, Field(pattern=r"^@[!-~]{1,254}$")]
WireRoomId = Annotated[str, Field(pattern=r"^![!-~]{1,254}$")]
WireEventId = Annotated[str, Field(pattern=r"^\$[!-~]{1,254}$")]
