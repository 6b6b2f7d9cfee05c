"""Settings of the stand-in identity providers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from messenger_core.service_auth.keys import JwksFile, PrivateKeyFile
from messenger_core.settings import BaseUrl, ExistingFile, ListenAddress, Settings

ProviderName = Literal["gesundheitsid", "staff"]


class RelyingParty(Settings):
    """Who may ask for sign-ins.

    Attributes:
        provider: at which of the two providers.
        client_id: its name there.
        secret_file: what it proves itself with at the token endpoint.
        redirect_uris: where people are sent back to, compared as they are.
    """

    provider: ProviderName
    client_id: str
    secret_file: ExistingFile
    redirect_uris: list[str]


class TiFederationSettings(Settings):
    """The TI federation beside the plain providers; GesundheitsID is reached through it alone then.

    Attributes:
        server_file: key and certificate of its servers, which listen where ``listen`` says.
        ca_file: the authority that signed it.
        master: the federation master's entity id; ``sectoral_idp`` that of the identity provider.
        members: by entity id, the federation keys of the relying parties that the master knows.
    """

    server_file: ExistingFile
    ca_file: ExistingFile
    master: str
    master_key_file: PrivateKeyFile
    sectoral_idp: str
    sectoral_idp_key_file: PrivateKeyFile
    sectoral_idp_token_key_file: PrivateKeyFile
    members: dict[str, JwksFile]


class IdentityProviderSettings(Settings):
    """What the process needs.

    Attributes:
        listen: where the server listens.
        public_url: its address; the issuers are ``{public_url}/gesundheitsid`` and ``{public_url}/staff``.
        people_file: the people, agents and their PINs; only this process writes it.
        signing_key_files: the private JWK of each provider.
        pairwise_secret_file: makes a person's ``sub`` another one for each relying party.
        people_token_file: the bearer token for adding people.
        relying_parties: who may ask for sign-ins.
        pause_after_wrong_pins_s: how long a person waits after three wrong PINs.
        federation: the TI federation; without it, GesundheitsID is a plain provider as well.
    """

    listen: ListenAddress
    public_url: BaseUrl
    people_file: Path
    signing_key_files: dict[ProviderName, ExistingFile]
    pairwise_secret_file: ExistingFile
    people_token_file: ExistingFile
    relying_parties: list[RelyingParty]
    pause_after_wrong_pins_s: int = 60
    federation: TiFederationSettings | None = None
