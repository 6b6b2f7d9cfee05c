"""Which chats with practices are old enough to be offered for leaving (gemSpec_TI-M_Basis, A_25610)."""

from __future__ import annotations

from datetime import datetime

from messenger_core.calendar_periods import from_milliseconds, months_before

DEFAULT_MONTHS = 6


def is_idle(last_message_at: int, months: int | None, as_of: datetime) -> bool:
    """Whether a room's last message is older than the person's period before a moment.

    Args:
        last_message_at: milliseconds since 1970; the creation of the room if it never had a message.
        months: the person's period; None means that nothing is ever offered.
        as_of: the moment.
    """
    return months is not None and from_milliseconds(last_message_at) < months_before(as_of, months)
