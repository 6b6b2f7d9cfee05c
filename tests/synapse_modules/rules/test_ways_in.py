"""Which way in is whose, as a table, and which settings of Synapse would open another."""

from __future__ import annotations

from itertools import product

import pytest

from messenger_core.account_kinds import AccountKind
from synapse_modules.rules.reach import Party
from synapse_modules.rules.ways_in import OTHER_WAYS, SignInProviders, may_sign_in, open_ways

_PROVIDERS = SignInProviders("oidc-people", "oidc-staff")
_ALLOWED = {
    (AccountKind.INSURED, "oidc-people"),
    (AccountKind.AGENT, "oidc-staff"),
    (AccountKind.PRACTICE, None),
    (AccountKind.SERVICE, None),
    (AccountKind.ADMIN, None),
}


@pytest.mark.parametrize(
    ("kind", "provider", "live"),
    list(product([*AccountKind, None], ["oidc-people", "oidc-staff", "oidc-elsewhere", None], [True, False])),
)
def test_each_kind_has_its_own_way_and_only_while_it_is_live(
    kind: AccountKind | None, provider: str | None, live: bool
) -> None:
    party = Party("@somebody:hek.test", kind, live=live)
    assert may_sign_in(party, provider, _PROVIDERS) is (live and (kind, provider) in _ALLOWED)


def test_a_homeserver_as_the_operators_example_has_no_other_way() -> None:
    assert open_ways(OTHER_WAYS) == []
    assert open_ways(dict(OTHER_WAYS) | {"app_service_config_files": None, "cas_config.enabled": None}) == []


@pytest.mark.parametrize("key", OTHER_WAYS)
def test_each_setting_that_opens_another_way_is_named_and_no_secret_is_repeated(key: str) -> None:
    value = {"registration_shared_secret": "s3cret", "app_service_config_files": ["bridge.yaml"]}.get(key, True)
    [line] = open_ways(dict(OTHER_WAYS) | {key: value})
    assert line.startswith(f"{key}: ")
    assert "without GesundheitsID" in line
    assert "s3cret" not in line
