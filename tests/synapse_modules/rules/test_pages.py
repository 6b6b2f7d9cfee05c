"""With which policy pages are shown."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

import synapse_modules
from synapse_modules.rules.pages import WITHOUT_SCRIPTS, policy_of

_TEMPLATES = Path(synapse_modules.__file__).parent / "templates"


@pytest.mark.parametrize("path", sorted(_TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_no_page_of_ours_has_a_script_that_its_policy_forbids(path: Path) -> None:
    page = path.read_bytes()
    scripts = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    assert page.count(b"<script") == len(scripts)
    allowed = policy_of(page).decode()
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script).digest()).decode() in allowed
    assert bool(scripts) is (path.name == "sso_auth_success.html")


@pytest.mark.parametrize(
    "page",
    [b"", b"<script>alert(1)</script>", b"<script>\n if (window.onAuthDone) { alert(1); }</script>"],
)
def test_another_script_is_never_allowed(page: bytes) -> None:
    assert policy_of(page) == WITHOUT_SCRIPTS
    assert b"script-src 'none'" in WITHOUT_SCRIPTS
