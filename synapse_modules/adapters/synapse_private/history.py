"""Synapse's stored messages and files: purging them, and looking whether they are gone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synapse.handlers.pagination import PaginationHandler
from synapse.media.media_repository import MediaRepository
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.rules.errors import ModuleError
from synapse_modules.store.erasable_events import EventPlace

FEATURES = (
    Feature(PaginationHandler, "purge_history", ("room_id", "token", "delete_local_events")),
    Feature(MediaRepository, "delete_local_media_ids", ("media_ids",)),
)


class PurgeFailed(ModuleError):  # noqa: N818 - reads as what happened
    """Synapse could not purge a room's history."""


class PrivateHistory:
    """What the public module API cannot do with messages and files."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

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
