"""What is shown of who somebody on another server is: a name, as of our own people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from messenger_core.people_names import ReservedNames, name_fault

# Letters of any script, digits, and what stands between the parts of a name; no address of a page.
_NAME = re.compile(r"[\w .,;&/()'’+–-]{1,150}")


def is_shown_name(value: object, reserved: ReservedNames) -> bool:
    """Whether it has the form of what somebody is called, and poses as nobody of the house."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None and name_fault(value, reserved) is None


def of_other(answer: object, reserved: ReservedNames) -> dict[str, Any]:
    """What of an answer about a profile is taken: pictures and fields of its owner's own (MSC4133) are not."""
    name = answer.get("displayname") if isinstance(answer, Mapping) else None
    return {"displayname": name} if is_shown_name(name, reserved) else {}
