"""The table of hooks says all that is enforced, and nothing else."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from synapse.config import ConfigError
from synapse.handlers.e2e_keys import E2eKeysHandler

import synapse_modules
from synapse_modules.adapters.synapse_private.hooks import Callback, Method, Registration, check_hooks
from synapse_modules.hooks import FEDERATION, HOOKS, WELL_KNOWN, Row, install_gates
from synapse_modules.hooks.page import PAGE, missing_rows, page

_PACKAGE = Path(synapse_modules.__file__).parent
_ROWS = (*HOOKS, *FEDERATION, *WELL_KNOWN)
_INSTALLS = re.compile(r"\bregister_\w+_callbacks\b|\bput_in_front\(")
_ARGUMENT = re.compile(r'(?:call\.arguments|asked)\["(\w+)"\]')


def _row_id(row: Row) -> str:
    return f"{row.hook}-{row.gate.__qualname__}"


def _source(of: Callable[..., Any] | type) -> str:
    return textwrap.dedent(inspect.getsource(of))


def _gate_class(row: Row) -> type:
    found: type = getattr(importlib.import_module(row.gate.__module__), row.gate.__qualname__.partition(".")[0])
    return found


_GATES = tuple(dict.fromkeys(_gate_class(row) for row in _ROWS))


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text() == page(), "run python -m synapse_modules.hooks.page"
    assert missing_rows() == []


def test_gates_are_installed_by_the_table_alone() -> None:
    """Whatever is written elsewhere would be enforced where no newcomer looks."""
    elsewhere = [
        path.relative_to(_PACKAGE).as_posix()
        for path in _PACKAGE.rglob("*.py")
        if path.name not in {"hooks.py", "wrapping.py"} and _INSTALLS.search(path.read_text())
    ]
    assert elsewhere == []
    assert _INSTALLS.search((_PACKAGE / "adapters/synapse_private/hooks.py").read_text()), "it would be found"


@pytest.mark.parametrize("gate", _GATES)
def test_a_gates_constructor_only_keeps_what_it_is_given(gate: type) -> None:
    if "__init__" not in vars(gate):
        return
    [constructor] = ast.parse(_source(vars(gate)["__init__"])).body
    assert isinstance(constructor, ast.FunctionDef)
    statements = [
        one for one in constructor.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
    ]
    assert all(isinstance(one, ast.Assign | ast.AnnAssign) for one in statements)


@pytest.mark.parametrize("row", _ROWS, ids=_row_id)
def test_a_row_names_the_parameters_that_its_gate_reads(row: Row) -> None:
    """They are looked for when the homeserver starts: what is not named would fail at the first call."""
    if isinstance(row.hook, Method):
        read = set(_ARGUMENT.findall(_source(row.gate))) - {"self"}
        assert read <= set(row.hook.parameters)


def _ours_below(module: ModuleType, seen: set[str]) -> set[str]:
    """The sources of an adapter and of the adapters that it asks."""
    if module.__name__ in seen:
        return set()
    seen.add(module.__name__)
    sources = {inspect.getsource(module)}
    for imported in re.findall(
        r"^from (synapse_modules\.adapters\.\w+) import", inspect.getsource(module), re.MULTILINE
    ):
        sources |= _ours_below(importlib.import_module(imported), seen)
    return sources


@pytest.mark.parametrize("row", _ROWS, ids=_row_id)
def test_a_row_names_rules_that_its_gate_asks(row: Row) -> None:
    sources = "\n".join(_ours_below(importlib.import_module(row.gate.__module__), set()))
    for rule in row.rules:
        assert re.search(rf"\b{rule.__name__}\b", sources), rule.__qualname__


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (Method(E2eKeysHandler, "gone"), "lacks E2eKeysHandler.gone"),
        (Method(E2eKeysHandler, "query_devices", ("of_another_release",)), "lacks E2eKeysHandler.query_devices"),
        (Callback(Registration.SPAM_CHECKER, "gone"), "lacks ModuleApi.register_spam_checker_callbacks"),
    ],
)
def test_a_hook_that_a_synapse_lacks_is_told_by_name(hook: Method | Callback, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_hooks([hook])


def test_this_synapse_has_every_hook() -> None:
    check_hooks(row.hook for row in _ROWS)


class _Gate:
    async def stand(self) -> None: ...


def test_a_gate_that_is_missing_or_stands_nowhere_ends_the_start() -> None:
    row = Row(Callback(Registration.SPAM_CHECKER, "check_event_for_spam"), _Gate.stand, ())
    api: Any = None
    with pytest.raises(LookupError, match=r"no gate for check_event_for_spam: _Gate\.stand"):
        install_gates(api, [row], [])
    with pytest.raises(LookupError, match="no hook names _Gate"):
        install_gates(api, [], [_Gate()])
