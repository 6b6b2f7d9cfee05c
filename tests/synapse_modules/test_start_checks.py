"""A homeserver whose own settings do not keep closed what no module is asked about does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from synapse_modules.rules.homeserver_settings import NEEDS
from tests.synapse_modules.homeserver_under_test import OPERATOR, SUPPORT, Homeserver
from tests.synapse_modules.test_ways_in import refused_start

_NONE_FITS = {
    "allow_device_name_lookup_over_federation": True,
    "auto_join_rooms": ["#everybody:hek.test"],
    "enable_authenticated_media": False,
    # Synapse itself wants both or neither.
    "limit_profile_requests_to_users_who_share_rooms": False,
    "push": {"include_content": True},
    "rc_user_directory": {"per_second": 0.016, "burst_count": 5},
    "redaction_retention_period": "90d",
    "refreshable_access_token_lifetime": "24h",
    "require_auth_for_profile_requests": False,
    "retention": {"enabled": True},
    "user_directory": {"enabled": False},
}


def test_each_setting_that_a_rule_leans_on_is_named_in_a_line_of_its_own(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    """All at once, so that an operator does not start again and again."""
    said = refused_start(homeserver, tmp_path, _NONE_FITS).strip().splitlines()
    lines = [line.removeprefix("homeserver.yaml: ") for line in said if line.startswith("homeserver.yaml: ")]
    assert [line.partition(":")[0] for line in lines] == [
        key
        for key in NEEDS
        # It takes packages of Synapse's that are not installed here.
        if key != "url_preview_enabled"
    ]
    assert said[-1] == f"homeserver.yaml: {lines[-1]}"
    assert "redaction_retention_period: 90 days, 0:00:00 is not allowed: it must be set and at most 7 days" in str(
        lines
    )


@pytest.mark.parametrize("whitelist", [[], ["https://client.example/"]])
def test_a_sign_in_of_the_oauth_api_comes_back_without_being_asked_twice(
    homeserver: Homeserver, tmp_path: Path, whitelist: list[str]
) -> None:
    said = refused_start(homeserver, tmp_path, {"sso": {"client_whitelist": whitelist}}).strip().splitlines()[-1]
    wanted = (
        f"homeserver.yaml: sso.client_whitelist: must name {homeserver.base}/_synapse/client/sign_in/callback, since"
    )
    assert said.startswith(wanted)


def test_without_tokens_that_are_renewed_it_does_not_start(homeserver: Homeserver, tmp_path: Path) -> None:
    said = refused_start(homeserver, tmp_path, {"refreshable_access_token_lifetime": None})
    assert "refreshable_access_token_lifetime: None is not allowed: it must be set and at most 1 h" in said


@pytest.mark.parametrize("user_id", [SUPPORT, OPERATOR])
def test_no_account_of_the_settings_is_taken_for_server_notices(
    homeserver: Homeserver, tmp_path: Path, user_id: str
) -> None:
    """Synapse would never let it be made, nor those after it: at a first start nobody could operate the homeserver."""
    _is_refused_for_notices(homeserver, tmp_path, user_id)


async def test_no_account_that_there_is_is_taken_for_server_notices(homeserver: Homeserver, tmp_path: Path) -> None:
    person = await homeserver.new_person()
    homeserver.rows("VACUUM INTO ?", str(tmp_path / "homeserver.db"))
    _is_refused_for_notices(homeserver, tmp_path, person.user_id)


def _is_refused_for_notices(homeserver: Homeserver, folder: Path, user_id: str) -> None:
    name = user_id[1:].partition(":")[0]
    said = refused_start(homeserver, folder, {"server_notices": {"system_mxid_localpart": name}})
    wanted = f"homeserver.yaml: server_notices.system_mxid_localpart: {name} is not allowed: it must be a name that no"
    assert said.strip().splitlines()[-1].startswith(wanted)
