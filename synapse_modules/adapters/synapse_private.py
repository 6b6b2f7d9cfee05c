"""The ONE file that touches what is private in Synapse; each feature is checked when the homeserver starts."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from synapse.config import ConfigError
from synapse.handlers.pagination import PaginationHandler
from synapse.handlers.room_member import RoomMemberHandler
from synapse.handlers.user_directory import UserDirectoryHandler
from synapse.media.media_repository import MediaRepository
from synapse.module_api import ModuleApi
from synapse.storage.database import make_conn
from synapse.storage.databases.main.registration import RegistrationWorkerStore
from synapse.types import UserID
from synapse.util.clock import Clock

from synapse_modules.store.erasable_events import EventPlace
from synapse_modules.store.migrations import SCHEMA_VERSION, migrate, schema_version

PeopleSearch = Callable[[str, str, int], Awaitable[Any]]

# What is used below, with the parameters that it is called with.
_FEATURES: Sequence[tuple[type, str, tuple[str, ...]]] = (
    (PaginationHandler, "purge_history", ("room_id", "token", "delete_local_events")),
    (RoomMemberHandler, "forget", ("user", "room_id")),
    (RoomMemberHandler, "update_membership", ("requester", "target", "room_id", "action", "content")),
    (UserDirectoryHandler, "search_users", ("user_id", "search_term", "limit")),
    (MediaRepository, "delete_local_media_ids", ("media_ids",)),
    (RegistrationWorkerStore, "set_user_locked_status", ("user_id", "locked")),
)


class PurgeFailed(Exception):  # noqa: N818 - reads as what happened
    """Synapse could not purge a room's history."""


def check_features() -> None:
    """Checks that this Synapse has what the module needs.

    Raises:
        ConfigError: naming what is missing.
    """
    for owner, name, parameters in _FEATURES:
        feature = getattr(owner, name, None)
        if feature is None or not set(parameters) <= set(inspect.signature(feature).parameters):
            raise ConfigError(
                f"synapse_modules: this release of Synapse lacks {owner.__name__}.{name}({', '.join(parameters)}); "
                "use a release that the README names as tested"
            )


def end_start(fault: ConfigError) -> NoReturn:
    """Ends the process with the fault's one line.

    What a module raises while Synapse starts is printed with a traceback around it; an exit by exception would be
    caught by the reactor. Nothing is under way yet that an abrupt end could harm.
    """
    print(fault.msg, file=sys.__stderr__, flush=True)
    os._exit(1)


class SynapsePrivate:
    """Locks, purges, deletions and the search box of this homeserver."""

    def __init__(self, api: ModuleApi) -> None:
        check_features()
        self._hs = api._hs

    @property
    def clock(self) -> Clock:
        """The clock that web resources are made with."""
        return self._hs.get_clock()

    @property
    def sign_in_providers(self) -> frozenset[str]:
        """The ``idp_id`` of the homeserver's OpenID providers, as its configuration names them."""
        return frozenset(one.idp_id.removeprefix("oidc-") for one in self._hs.config.oidc.oidc_providers)

    def prepare_database(self, *, is_main_process: bool) -> None:
        """Brings the module's tables to the newest version; workers only check it. Runs before Synapse listens.

        Raises:
            ConfigError: if a worker finds another version.
        """
        connection = make_conn(
            db_config=next(one for one in self._hs.config.database.databases if "main" in one.databases),
            engine=self._hs.get_datastores().main.database_engine,
            default_txn_name="hek_prepare_database",
            server_name=self._hs.hostname,
        )
        try:
            cursor = connection.cursor(txn_name="hek_prepare_database")
            if is_main_process:
                migrate(cursor)
                connection.commit()
            elif schema_version(cursor) != SCHEMA_VERSION:
                raise ConfigError(
                    "synapse_modules: the module's tables are not at this version; "
                    "start the main process of this release first"
                )
        finally:
            connection.close()

    async def set_locked(self, user_id: str, *, locked: bool) -> None:
        """Locks or unlocks an account; every request of a locked one is answered with 401."""
        await self._hs.get_datastores().main.set_user_locked_status(user_id, locked)

    async def forget(self, user_id: str, room_id: str) -> None:
        """Forgets a room that the user has left."""
        await self._hs.get_room_member_handler().forget(UserID.from_string(user_id), room_id)

    async def purge_before(self, room_id: str, place: EventPlace) -> None:
        """Deletes the messages of a room that come before an event.

        Raises:
            PurgeFailed: if Synapse says so; it logs the reason itself.
        """
        token = f"t{place.depth}-{place.stream}"
        fault = await self._hs.get_pagination_handler().purge_history(room_id, token, delete_local_events=True)
        if fault is not None:
            raise PurgeFailed

    @property
    def has_media(self) -> bool:
        """Whether this process keeps files."""
        return self._hs.config.media.can_load_media_repo

    async def delete_media(self, media_ids: Sequence[str]) -> None:
        """Deletes local files with their thumbnails; those that are gone already are no fault."""
        await self._hs.get_media_repository().delete_local_media_ids(list(media_ids))

    def media_on_disk(self, media_ids: Sequence[str]) -> set[str]:
        """Which of some local files, or their thumbnails, still lie in the media store."""
        paths = self._hs.get_media_repository().filepaths
        return {
            media_id
            for media_id in media_ids
            if Path(paths.local_media_filepath(media_id)).exists()
            or Path(paths.local_media_thumbnail_dir(media_id)).exists()
        }

    def keep_words_out_of_memberships(self, keep: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
        """Puts a filter in front of every membership change; no callback sees the reason of an invitation.

        Args:
            keep: what of the content that a client sent is kept.
        """
        handler = self._hs.get_room_member_handler()
        update = handler.update_membership
        form = inspect.signature(update)

        async def wordless(*args: Any, **kwargs: Any) -> tuple[str, int]:
            call = form.bind(*args, **kwargs)
            call.arguments["content"] = keep(call.arguments.get("content") or {})
            return await update(*call.args, **call.kwargs)

        handler.update_membership = wordless  # type: ignore[method-assign]

    def wrap_people_search(self, wrap: Callable[[PeopleSearch], PeopleSearch]) -> None:
        """Puts a search of ours in front of the one that answers the clients' search box."""
        handler = self._hs.get_user_directory_handler()
        handler.search_users = wrap(handler.search_users)  # type: ignore[method-assign, assignment]
