"""Settings of the HEK Messenger; see config/bridge_bot.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from bridge_bot.rules.topics import Topic
from messenger_core.matrix import SessionSettings
from messenger_core.service_auth.keys import JwksFile, PrivateKeyFile
from messenger_core.settings import BaseUrl, DatabaseUrl, ListenAddress, Settings, UserId

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
"""A short name: it becomes part of a room's alias."""


class HomeserverMachine(Settings):
    """The homeserver's interface for machines.

    Attributes:
        url: the homeserver's address.
        client_id: the name under which the homeserver knows the key.
        key_file: the private JWK to sign in with.
    """

    url: BaseUrl
    client_id: str = "bot"
    key_file: PrivateKeyFile


class ClientSettings(Settings):
    """A machine that may call the messenger's own interface."""

    client_id: str = Field(min_length=1)
    jwks_file: JwksFile
    scopes: list[Literal["erasure:act"]] = Field(min_length=1)


class TeamSettings(Settings):
    """A team of agents and who is in it."""

    name: Name
    agents: list[UserId] = Field(default=[])


class TopicSettings(Settings):
    """A topic (Anliegen) that insured people choose, and the team that answers it."""

    key: Name
    team: str
    title_de: str = Field(min_length=1)
    title_en: str = Field(min_length=1)

    def topic(self) -> Topic:
        """The topic as the rules know it."""
        return Topic(self.key, self.team, self.title_de, self.title_en)


class BotSettings(Settings):
    """All settings of the component.

    Attributes:
        listen: where its HTTP server listens.
        public_url: the address under which others reach it; pinned in tokens.
        signing_key_file: the private JWK that signs its own access tokens.
        session: the support account.
        erasure_minimum_age_years: nothing younger is erased, whatever retention asks for; None for no such limit.
        require_signed_devices: whether agents are heard from cross-signed devices alone.
    """

    listen: ListenAddress
    public_url: BaseUrl
    database: DatabaseUrl
    signing_key_file: PrivateKeyFile
    session: SessionSettings
    homeserver_machine: HomeserverMachine
    clients: list[ClientSettings] = Field(default=[])
    teams: list[TeamSettings] = Field(min_length=1)
    topics: list[TopicSettings] = Field(min_length=1)
    require_signed_devices: bool = True
    erasure_minimum_age_years: int | None = Field(default=5, ge=1, le=30)

    @field_validator("teams")
    @classmethod
    def _distinct_teams(cls, teams: list[TeamSettings]) -> list[TeamSettings]:
        names = [team.name for team in teams]
        if len(set(names)) != len(names):
            raise ValueError("each team needs a name of its own")
        return teams

    @field_validator("topics")
    @classmethod
    def _distinct_topics(cls, topics: list[TopicSettings]) -> list[TopicSettings]:
        keys = [topic.key for topic in topics]
        if len(set(keys)) != len(keys):
            raise ValueError("each topic needs a key of its own")
        return topics

    @model_validator(mode="after")
    def _teams_exist(self) -> BotSettings:
        names = [team.name for team in self.teams]
        for topic in self.topics:
            if topic.team not in names:
                raise ValueError(
                    f"topics: the team {topic.team!r} of topic {topic.key!r} does not exist; "
                    f"allowed are the teams: {', '.join(names)}"
                )
        return self

    def rule_topics(self) -> list[Topic]:
        """The topics in the order in which people see them."""
        return [topic.topic() for topic in self.topics]
