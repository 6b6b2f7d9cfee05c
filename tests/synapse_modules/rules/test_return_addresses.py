"""Where a sign-in may lead back to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_modules.rules.return_addresses import is_return_address


@pytest.mark.parametrize(
    "address",
    [
        "https://app.element.io/?no_universal_links=true",
        "https://client.example",
        "http://localhost:8080/signed-in",
        "http://[::1]:8080/signed-in",
        "im.fluffychat://login",
        "im.fluffychat:/login",
        "io.element.desktop:/vector/webapp/?a=b@c",
        "element://connect",
    ],
)
def test_clients_are_returned_to(address: str) -> None:
    assert is_return_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/relative",
        "//client.example",
        "client.example",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "javascript://client.example/%0aalert(1)",
        " javascript:alert(1)",
        "\x01javascript:alert(1)",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "data://text/html,x",
        "vbscript:x",
        "blob:https://client.example/1",
        "file:///etc/passwd",
        "view-source:https://client.example",
        "mailto:erika",
        "element:connect",
        "https:client.example",
        "https:///client.example",
        "https://messenger.example@client.example/",
        "https://client.example\\@messenger.example/",
        "https://client.example/\u202eabc",
        "https://" + "a" * 5000,
    ],
)
def test_nothing_else_is(address: str) -> None:
    assert not is_return_address(address)


@given(
    before=st.text(max_size=3), inside=st.sampled_from(["", "\t", "\n", "\r", "\x00", " "]), after=st.text(max_size=20)
)
def test_no_script_gets_through_whatever_stands_around_it(before: str, inside: str, after: str) -> None:
    address = f"{before}java{inside}script:{after}"
    # What a browser reads: leading blanks and control characters, and line breaks anywhere, are left out.
    read = address.lstrip("".join(map(chr, range(0x21)))).translate(dict.fromkeys(map(ord, "\t\n\r")))
    if read.lower().startswith("javascript:"):
        assert not is_return_address(address)
