"""Only one room reaches past Synapse's public module API, and it says at start what a Synapse lacks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from synapse.config import ConfigError

import synapse_modules
from synapse_modules.adapters.synapse_private.features import Feature, check_features

_PACKAGE = Path(synapse_modules.__file__).parent
_ROOM = _PACKAGE / "adapters" / "synapse_private"
# The table of hooks names the methods in front of which gates stand, and calls none.
_TABLE = _PACKAGE / "hooks"
# Documented for modules although it does not lie in the module API: the page that refuses a sign-in, and its types.
_PUBLIC = "synapse.handlers.sso import MappingException|synapse.handlers.oidc import Token, UserAttributeDict"
_PRIVATE = re.compile(
    r"\b_hs\b|\bapi\._\w+|^\s*(?:from|import) synapse\.(?:handlers|storage|server|rest|federation|media)\b",
    re.MULTILINE,
)


def _touches_private(source: str) -> bool:
    return _PRIVATE.search(re.sub(rf"from (?:{_PUBLIC})", "", source)) is not None


def test_nothing_outside_the_room_touches_what_is_private() -> None:
    outside = [path for path in _PACKAGE.rglob("*.py") if not path.is_relative_to(_ROOM) and path.parent != _TABLE]
    assert [path.name for path in outside if _touches_private(path.read_text())] == []


def test_the_room_itself_does_and_would_be_found() -> None:
    assert _touches_private((_ROOM / "locks.py").read_text())


class _Handler:
    def act(self, user_id: str) -> None: ...


@pytest.mark.parametrize(("name", "parameters"), [("gone", ()), ("act", ("user_id", "reason"))])
def test_a_synapse_that_lacks_something_is_told_by_name(name: str, parameters: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=f"lacks _Handler.{name}"):
        check_features([Feature(_Handler, name, parameters)])


def test_a_synapse_that_has_everything_passes() -> None:
    check_features([Feature(_Handler, "act", ("user_id",))])
