"""What can go wrong between a service and its homeserver."""

from __future__ import annotations


class SendFailed(Exception):  # noqa: N818 - reads as what happened
    """The homeserver did not do what it was asked.

    Attributes:
        errcode: its Matrix error code; None if it gave none.
        status: its HTTP status; None if it could not be asked.
    """

    def __init__(self, what: str, errcode: str | None = None, status: int | None = None) -> None:
        super().__init__(f"{what}: {errcode}" if errcode else what)
        self.errcode = errcode
        self.status = status

    @property
    def outage(self) -> bool:
        """Whether asking again later may help.

        True without an answer, after too many requests, for a fault of the homeserver's own, for a token that ended,
        and for what names no Matrix error: a proxy in between said it.
        """
        if self.status is None or self.status in {401, 429} or self.status >= 500:
            return True
        return self.errcode is None


class NothingEncrypted(SendFailed):
    """The room is not encrypted; nothing is ever sent in clear. Asking again would not help."""

    ERRCODE = "DE.HEK.NOT_ENCRYPTED"

    def __init__(self) -> None:
        super().__init__("the room is not encrypted; nothing is sent in clear", self.ERRCODE, status=403)


class FileUnreadable(SendFailed):
    """A file does not exist, or is not what its event says; asking again would not help.

    Attributes:
        reason: ``missing``, ``wrong_hash``, ``too_large``, ``not_encrypted``, ``no_hash``, ``bad_address``,
            ``bad_version``, ``bad_key`` or ``bad_iv``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"a file cannot be read ({reason})", status=404)
        self.reason = reason

    @property
    def outage(self) -> bool:
        """Never."""
        return False


class FileAway(SendFailed):
    """A file is not to be had at the moment, and that is not our homeserver's fault.

    Another server does not give it, or whoever named it has not uploaded it. Anybody can name such a file, so it must
    not count as an outage, which a room would wait for without end.
    """

    @property
    def outage(self) -> bool:
        """Never."""
        return False


class StoreUnwritable(Exception):  # noqa: N818 - reads as what happened
    """The encryption keys could not be written (a full disk); what brought them is kept and tried again."""
