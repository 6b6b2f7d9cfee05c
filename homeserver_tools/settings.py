"""Settings of the commands: which homeserver, and as whom it is called."""

from __future__ import annotations

from messenger_core.homeserver_interface import HOMESERVER_TOKEN_PATH
from messenger_core.service_auth.client import ServiceClient
from messenger_core.service_auth.keys import PrivateKeyFile, read_private_key
from messenger_core.settings import BaseUrl, Settings


class ToolSettings(Settings):
    """The whole settings file.

    Attributes:
        url: the homeserver's address.
        client_id: the name under which the homeserver knows the caller's key.
        key_file: the private JWK of that client.
    """

    url: BaseUrl
    client_id: str
    key_file: PrivateKeyFile

    def client(self) -> ServiceClient:
        """The connection to the homeserver; to be used as an asynchronous context manager."""
        return ServiceClient(
            client_id=self.client_id,
            key=read_private_key(self.key_file),
            base_url=self.url,
            token_endpoint=self.url + HOMESERVER_TOKEN_PATH,
        )
