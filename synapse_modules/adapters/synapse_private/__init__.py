"""The ONE room that touches what is private in Synapse: a file a subject, each feature checked at start.

A file names in ``FEATURES`` what it uses; nothing outside this package reaches past the public module API
(docs/decisions/0014-one-room-for-what-is-private-in-synapse.md).
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

from synapse.config import ConfigError
from synapse.module_api import ModuleApi
from synapse.server import HomeServer
from synapse.storage.database import make_conn
from synapse.util.clock import Clock

from synapse_modules.adapters.synapse_private import (
    bell,
    client_routes,
    connections,
    deactivation,
    federated_rooms,
    federation,
    files,
    history,
    homeserver_settings,
    locks,
    logout_tokens,
    memberships,
    openid,
    request_heads,
    sessions,
    sign_in_limits,
    token_sign_in,
)
from synapse_modules.adapters.synapse_private.features import check_features
from synapse_modules.adapters.synapse_private.tables import check_tables
from synapse_modules.store.interaction import Transaction
from synapse_modules.store.migrations import SCHEMA_VERSION, migrate, schema_version

_SUBJECTS = (
    bell,
    client_routes,
    connections,
    deactivation,
    federated_rooms,
    federation,
    files,
    history,
    homeserver_settings,
    locks,
    logout_tokens,
    memberships,
    openid,
    request_heads,
    sessions,
    sign_in_limits,
    token_sign_in,
)


class SynapsePrivate:
    """This homeserver past its public module API, a subject each.

    There is one of a homeserver (``of``): what one part of the module follows, another one rings.
    """

    def __init__(self, api: ModuleApi) -> None:
        check_features(feature for subject in _SUBJECTS for feature in subject.FEATURES)
        self._hs = api._hs
        self.client_routes = client_routes.PrivateClientRoutes(self._hs)
        self.connections = connections.PrivateConnections(self._hs)
        self.deactivation = deactivation.PrivateDeactivation(self._hs)
        self.federated_rooms = federated_rooms.PrivateFederatedRooms(self._hs)
        self.federation = federation.PrivateFederation(self._hs)
        self.history = history.PrivateHistory(self._hs)
        self.locks = locks.PrivateLocks(self._hs)
        self.memberships = memberships.PrivateMemberships(self._hs)
        self.open_id = openid.PrivateOpenId(self._hs)
        self.request_heads = request_heads.PrivateRequestHeads()
        self.sessions = sessions.PrivateSessions(self._hs)
        self.settings = homeserver_settings.PrivateSettings(self._hs)
        self.sign_in_limits = sign_in_limits.PrivateSignInLimits(self._hs)
        self.token_sign_in = token_sign_in.PrivateTokenSignIn(self._hs)

    @classmethod
    def of(cls, api: ModuleApi) -> SynapsePrivate:
        """The one of a homeserver, made for whoever asks first: the module, or the mapping of a sign-in provider.

        Raises:
            ConfigError: if this Synapse lacks something.
        """
        known = _OF_HOMESERVER.get(api._hs)
        if known is None:
            known = _OF_HOMESERVER[api._hs] = cls(api)
        return known

    @property
    def clock(self) -> Clock:
        """The clock that web resources are made with."""
        return self._hs.get_clock()

    @property
    def sign_in_providers(self) -> frozenset[str]:
        """The ``idp_id`` of the homeserver's OpenID providers, as its configuration names them."""
        return frozenset(one.idp_id.removeprefix("oidc-") for one in self._hs.config.oidc.oidc_providers)

    def prepare_database(self, *, is_main_process: bool, check: Callable[[Transaction], None]) -> None:
        """Brings the module's tables to the newest version; workers only check it. Runs before Synapse listens.

        Args:
            is_main_process: whether this process changes the tables.
            check: looks whether what the tables hold fits the settings.

        Raises:
            ConfigError: if Synapse's own tables are others, a worker finds another version, or ``check`` says so.
        """
        connection = make_conn(
            db_config=next(one for one in self._hs.config.database.databases if "main" in one.databases),
            engine=self._hs.get_datastores().main.database_engine,
            default_txn_name="hek_prepare_database",
            server_name=self._hs.hostname,
        )
        try:
            cursor = connection.cursor(txn_name="hek_prepare_database")
            check_tables(cursor)
            if is_main_process:
                migrate(cursor)
                connection.commit()
            elif schema_version(cursor) != SCHEMA_VERSION:
                raise ConfigError(
                    "synapse_modules: the module's tables are not at this version; "
                    "start the main process of this release first"
                )
            check(cursor)
        finally:
            connection.close()


_OF_HOMESERVER: WeakKeyDictionary[HomeServer, SynapsePrivate] = WeakKeyDictionary()
