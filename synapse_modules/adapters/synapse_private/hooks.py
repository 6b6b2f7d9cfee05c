"""Where a gate of ours can stand: the three kinds of hook that Synapse has, and how a gate is installed at each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from synapse.api.auth.internal import InternalAuth
from synapse.app import homeserver
from synapse.federation.federation_client import FederationClient
from synapse.federation.federation_server import FederationHandlerRegistry, FederationServer
from synapse.federation.transport.client import TransportLayerClient
from synapse.handlers.auth import AuthHandler
from synapse.handlers.delayed_events import DelayedEventsHandler
from synapse.handlers.device import DeviceHandler
from synapse.handlers.devicemessage import DeviceMessageHandler
from synapse.handlers.e2e_keys import E2eKeysHandler
from synapse.handlers.events import EventStreamHandler
from synapse.handlers.federation import FederationHandler
from synapse.handlers.federation_event import FederationEventHandler
from synapse.handlers.message import EventCreationHandler
from synapse.handlers.presence import BasePresenceHandler
from synapse.handlers.profile import ProfileHandler
from synapse.handlers.room import RoomCreationHandler
from synapse.handlers.room_list import RoomListHandler
from synapse.handlers.room_member import RoomMemberHandler
from synapse.handlers.sliding_sync import SlidingSyncHandler
from synapse.handlers.sso import SsoHandler
from synapse.handlers.sync import SyncHandler
from synapse.handlers.user_directory import UserDirectoryHandler
from synapse.media.media_repository import MediaRepository
from synapse.module_api import ModuleApi
from synapse.notifier import Notifier
from synapse.push.pusherpool import PusherPool
from synapse.server import HomeServer
from synapse.storage.databases.main.registration import RegistrationWorkerStore

from synapse_modules.adapters.synapse_private.features import Feature, check_features
from synapse_modules.adapters.synapse_private.wrapping import put_in_front

_HOLDERS: Mapping[object, Callable[[HomeServer], object]] = {
    AuthHandler: HomeServer.get_auth_handler,
    BasePresenceHandler: HomeServer.get_presence_handler,
    DeviceHandler: HomeServer.get_device_handler,
    DelayedEventsHandler: HomeServer.get_delayed_events_handler,
    DeviceMessageHandler: HomeServer.get_device_message_handler,
    E2eKeysHandler: HomeServer.get_e2e_keys_handler,
    EventCreationHandler: HomeServer.get_event_creation_handler,
    EventStreamHandler: HomeServer.get_event_stream_handler,
    FederationClient: HomeServer.get_federation_client,
    FederationEventHandler: HomeServer.get_federation_event_handler,
    FederationHandler: HomeServer.get_federation_handler,
    FederationHandlerRegistry: HomeServer.get_federation_registry,
    FederationServer: HomeServer.get_federation_server,
    InternalAuth: HomeServer.get_auth,
    MediaRepository: HomeServer.get_media_repository,
    Notifier: HomeServer.get_notifier,
    ProfileHandler: HomeServer.get_profile_handler,
    PusherPool: HomeServer.get_pusherpool,
    RegistrationWorkerStore: lambda hs: hs.get_datastores().main,
    RoomCreationHandler: HomeServer.get_room_creation_handler,
    RoomListHandler: HomeServer.get_room_list_handler,
    RoomMemberHandler: HomeServer.get_room_member_handler,
    SlidingSyncHandler: HomeServer.get_sliding_sync_handler,
    SsoHandler: HomeServer.get_sso_handler,
    SyncHandler: HomeServer.get_sync_handler,
    TransportLayerClient: HomeServer.get_federation_transport_client,
    UserDirectoryHandler: HomeServer.get_user_directory_handler,
}
"""The one object of a class that a homeserver has. In front of any other class's method a gate stands for all objects:
Synapse makes several, or has made some before there is a module."""


class Registration(Enum):
    """The module API's registrations, by their method's name."""

    ACCOUNT_VALIDITY = "register_account_validity_callbacks"
    SPAM_CHECKER = "register_spam_checker_callbacks"
    THIRD_PARTY_RULES = "register_third_party_rules_callbacks"


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback of the public module API; its gate takes what Synapse's documentation says."""

    registration: Registration
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class LoginType:
    """A login type of ours, with the fields that a client must send."""

    name: str
    fields: tuple[str, ...]

    def __str__(self) -> str:
        return f"login type {self.name}"


@dataclass(frozen=True, slots=True)
class Method(Feature):
    """A method (or a module's function) of Synapse's that a gate stands in front of, taking a ``Call``.

    Attributes:
        parameters: those that the gate reads or changes; they are looked for when the homeserver starts.
    """

    def __str__(self) -> str:
        return f"{self.owner.__name__.rpartition('.')[2]}.{self.name}"


Hook = Callback | LoginType | Method


def check_hooks(hooks: Iterable[Hook]) -> None:
    """Checks that this Synapse has every hook.

    Raises:
        ConfigError: naming the one that is missing.
    """
    for hook in hooks:
        match hook:
            case Method():
                check_features([hook])
            case Callback(registration, name):
                check_features([Feature(ModuleApi, registration.value, (name,))])
            case LoginType():
                check_features([Feature(ModuleApi, "register_password_auth_provider_callbacks", ("auth_checkers",))])


def install(api: ModuleApi, hook: Hook, gate: Callable[..., Any]) -> None:
    """Puts a gate at a hook, in this process.

    In front of a method, what was put there before is asked after this gate; callbacks are asked in the order in which
    they are installed.
    """
    match hook:
        case Callback(registration, name):
            getattr(api, registration.value)(**{name: gate})
        case LoginType(name, fields):
            api.register_password_auth_provider_callbacks(auth_checkers={(name, fields): gate})
        case Method():
            for holder in _holders(api._hs, hook):
                put_in_front(holder, hook.name, gate)


def _holders(hs: HomeServer, method: Method) -> list[object]:
    """What of this process has a method; nothing if it does not serve that."""
    if method.owner is MediaRepository and not hs.config.media.can_load_media_repo:
        return []
    if method.owner is homeserver:
        # Started with "python -m", the program is a module of its own beside the one of its name.
        return [program for program in (homeserver, sys.modules["__main__"]) if hasattr(program, method.name)]
    get = _HOLDERS.get(method.owner)
    return [method.owner if get is None else get(hs)]
