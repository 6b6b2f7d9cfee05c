"""Synapse's own settings, as its configuration was read."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES: tuple[Feature, ...] = ()


class PrivateSettings:
    """What the public module API does not say of the homeserver's configuration, by the key in its file."""

    def __init__(self, hs: HomeServer) -> None:
        self._config = hs.config

    def ways_in(self) -> dict[str, Any]:
        """What it says of every way in that is not ours (``rules.ways_in.OTHER_WAYS``)."""
        config = self._config
        return {
            "enable_registration": config.registration.enable_registration,
            "registration_shared_secret": config.registration.registration_shared_secret,
            "allow_guest_access": config.registration.allow_guest_access,
            "password_config.enabled": config.auth.password_enabled_for_login
            or config.auth.password_enabled_for_reauth,
            "login_via_existing_session.enabled": config.auth.login_via_existing_enabled,
            "jwt_config.enabled": config.jwt.jwt_enabled,
            "cas_config.enabled": bool(config.cas.cas_enabled),
            "saml2_config.enabled": config.saml2.saml2_enabled,
            "app_service_config_files": config.appservice.app_service_config_files,
            "matrix_authentication_service.enabled": config.mas.enabled,
        }

    @property
    def returned_to_without_asking(self) -> tuple[str, ...]:
        """The beginnings of addresses of ``sso.client_whitelist``."""
        return tuple(self._config.sso.sso_client_whitelist)

    @property
    def server_notices(self) -> str | None:
        """The user id that ``server_notices.system_mxid_localpart`` makes; None if there are no server notices."""
        return self._config.servernotices.server_notices_mxid

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where this process writes beside the database: requests' bodies, and files if it has any."""
        media = self._config.media
        of_bodies = Path(tempfile.gettempdir())
        return (of_bodies, Path(media.media_store_path)) if media.can_load_media_repo else (of_bodies,)

    def needed(self) -> dict[str, Any]:
        """What it says of everything that a rule leans on (``rules.homeserver_settings.NEEDS``)."""
        config = self._config
        period_ms = config.server.redaction_retention_period
        lifetime_ms = config.registration.refreshable_access_token_lifetime
        searches = config.ratelimiting.rc_user_directory
        return {
            "allow_device_name_lookup_over_federation": config.federation.allow_device_name_lookup_over_federation,
            "auto_join_rooms": config.registration.auto_join_rooms,
            "enable_authenticated_media": config.media.enable_authenticated_media,
            "push.include_content": config.push.push_include_content,
            "rc_user_directory.burst_count": searches.burst_count,
            "rc_user_directory.per_second": searches.per_second,
            "redaction_retention_period": None if period_ms is None else timedelta(milliseconds=period_ms),
            "refreshable_access_token_lifetime": None if lifetime_ms is None else timedelta(milliseconds=lifetime_ms),
            "require_auth_for_profile_requests": config.server.require_auth_for_profile_requests,
            "retention.enabled": config.retention.retention_enabled,
            "url_preview_enabled": config.media.url_preview_enabled,
            "user_directory.enabled": config.userdirectory.user_directory_search_enabled,
        }
