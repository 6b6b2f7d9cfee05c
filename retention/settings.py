"""Settings of retention."""

from __future__ import annotations

from pydantic import Field

from messenger_core.matrix import SessionSettings
from messenger_core.service_auth.keys import PrivateKeyFile
from messenger_core.settings import BaseUrl, DatabaseUrl, ListenAddress, Settings
from retention.rules.unusual_erasures import UsualErasure


class ComponentSettings(Settings):
    """Another component whose machine interface is called.

    Attributes:
        url: the address under which its tokens are asked for, the same that it names as its own.
        client_id: the name under which it knows our key.
        key_file: the private JWK of that client.
    """

    url: BaseUrl
    client_id: str = "retention"
    key_file: PrivateKeyFile


class UsualErasureSettings(Settings):
    """What one run may erase without ``--accept-count``; see ``rules.unusual_erasures.UsualErasure``."""

    most: int = Field(default=20_000, ge=1)
    most_share: float = Field(default=0.1, gt=0, le=1)
    share_from: int = Field(default=1000, ge=1)

    def rule(self) -> UsualErasure:
        """As the rule knows it."""
        return UsualErasure(self.most, self.most_share, self.share_from)


class RetentionSettings(Settings):
    """The whole settings file.

    Attributes:
        listen: where ``GET /health`` answers.
        session: the service account that speaks with insured people.
        homeserver_machine: the homeserver's machine interface.
        bot: the bot's machine interface.
        support_years: after how many calendar years support conversations are erased.
        usual_erasure: what one run may erase without being asked about.
        require_signed_devices: whether what people decide counts from cross-signed devices alone.
    """

    listen: ListenAddress
    database: DatabaseUrl
    session: SessionSettings
    homeserver_machine: ComponentSettings
    bot: ComponentSettings
    support_years: int = Field(default=5, ge=1, le=30)
    usual_erasure: UsualErasureSettings = UsualErasureSettings()
    require_signed_devices: bool = True
