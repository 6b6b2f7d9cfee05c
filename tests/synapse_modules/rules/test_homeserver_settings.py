"""Which settings of Synapse a rule leans on, and that each other value is named with what is allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from synapse_modules.rules.homeserver_settings import NEEDS, unmet_needs

# The first value will do, the others will not.
_VALUES: dict[str, list[Any]] = {
    "allow_device_name_lookup_over_federation": [False, True],
    "auto_join_rooms": [[], ["#all:hek.test"]],
    "enable_authenticated_media": [True, False],
    "push.include_content": [False, True],
    "rc_user_directory.burst_count": [10, 9],
    "rc_user_directory.per_second": [1, 0.016],
    "redaction_retention_period": [timedelta(days=7), timedelta(days=8), None],
    "refreshable_access_token_lifetime": [timedelta(minutes=15), timedelta(hours=1, seconds=1), None],
    "require_auth_for_profile_requests": [True, False],
    "retention.enabled": [False, True],
    "url_preview_enabled": [False, True],
    "user_directory.enabled": [True, False],
}
_FIT = {key: values[0] for key, values in _VALUES.items()}


def test_with_every_need_met_there_is_nothing_to_say() -> None:
    assert _FIT.keys() == NEEDS.keys()
    assert unmet_needs(_FIT) == []


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in _VALUES.items() for value in values[1:]])
def test_each_value_that_will_not_do_is_named_with_what_is_allowed_and_why(key: str, value: Any) -> None:
    [line] = unmet_needs(_FIT | {key: value})
    assert line.startswith(f"{key}: {value} is not allowed: it must be ")
    assert ", since otherwise " in line
