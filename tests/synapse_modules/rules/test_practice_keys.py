"""A key that is taken away ends what stands on it; one that is added ends nothing."""

from __future__ import annotations

import json

import pytest
from joserfc.jwk import ECKey

from messenger_core.service_auth.keys import generate_private_key, public_jwks
from synapse_modules.rules.practice_keys import takes_a_key_away

_OLD, _NEW = generate_private_key(), generate_private_key()


def _set(*keys: ECKey) -> str:
    return json.dumps(public_jwks(*keys))


@pytest.mark.parametrize(
    ("before", "after", "ends"),
    [
        (None, _set(_NEW), False),
        ("", _set(_NEW), True),
        (_set(_OLD), _set(_OLD), False),
        (_set(_OLD), _set(_OLD, _NEW), False),
        (_set(_OLD, _NEW), _set(_NEW, _OLD), False),
        (_set(_OLD), _set(_NEW), True),
        (_set(_OLD, _NEW), _set(_NEW), True),
    ],
)
def test_what_a_new_set_of_keys_takes_away(before: str | None, after: str, ends: bool) -> None:
    assert takes_a_key_away(before, after) is ends
