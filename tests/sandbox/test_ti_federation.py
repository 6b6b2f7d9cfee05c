"""The sandbox's sectoral identity provider refuses what gematik's tests want refused, and what RFC 8705 demands."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gesundheitsid.adapters.key_file import mutual_tls
from gesundheitsid.rules.key_ring import make_rings
from tests.gesundheitsid.scene import Scene, opened


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Federation and broker."""
    async with opened(tmp_path, f"sqlite:///{tmp_path}/broker.db") as running:
        yield running


async def push(
    scene: Scene, changes: dict[str, str], *, context: ssl.SSLContext | None = None, method: str = "POST"
) -> tuple[int, dict[str, Any]]:
    """A pushed request as the broker would send it, but for the changes; an empty value leaves a field out."""
    form = {
        "client_id": scene.base,
        "response_type": "code",
        "redirect_uri": f"{scene.base}/callback",
        "scope": "openid urn:telematik:versicherter",
        "state": "state",
        "nonce": "nonce",
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
        "acr_values": "gematik-ehealth-loa-high",
        **changes,
    }
    body = {name: value for name, value in form.items() if value}
    ours = mutual_tls(scene.keys.ring("tls"), scene.settings.federation.ca_file)
    async with scene.http.request(method, f"{scene.idp.issuer}/par", data=body, ssl=context or ours) as answer:
        return answer.status, await answer.json()


async def test_a_good_request_is_created(scene: Scene) -> None:
    status, answer = await push(scene, {})
    assert status == 201
    assert answer["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert answer["expires_in"] == 90


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "https://127.0.0.1:1"}, 401, "invalid_client"),
        ({"code_challenge_method": "plain"}, 400, "invalid_request"),
        ({"scope": "openid unknown"}, 400, "invalid_scope"),
        ({"scope": "urn:telematik:versicherter"}, 400, "invalid_scope"),
        ({"acr_values": "low"}, 400, "invalid_request"),
        ({"redirect_uri": "https://thief.example"}, 400, "invalid_request"),
        ({"response_type": "token"}, 400, "invalid_request"),
        *(({name: ""}, 400, "invalid_request") for name in ("state", "nonce", "redirect_uri", "code_challenge")),
    ],
)
async def test_a_faulty_request_is_refused(scene: Scene, changes: dict[str, str], status: int, error: str) -> None:
    got, answer = await push(scene, changes)
    assert (got, answer["error"]) == (status, error)


async def test_a_wrong_verb_is_refused(scene: Scene) -> None:
    assert await push(scene, {}, method="PUT") == (
        405,
        {"error": "invalid_request", "error_description": "POST is needed"},
    )


async def test_a_client_without_its_certificate_is_refused(scene: Scene) -> None:
    ca_file = scene.settings.federation.ca_file
    stranger = make_rings("127.0.0.1", datetime.now(UTC))["tls"]
    for context in (ssl.create_default_context(cafile=str(ca_file)), mutual_tls(stranger, ca_file)):
        status, answer = await push(scene, {}, context=context)
        assert (status, answer["error"]) == (401, "invalid_client")


async def test_a_header_cannot_stand_for_a_certificate(scene: Scene) -> None:
    """The front passes on what TLS showed; what a client writes there itself is dropped."""
    shown = scene.keys.ring("tls").current.as_dict(private=False)["x5c"]
    headers = {"X-Client-Certificate": str(shown[0])}
    async with scene.http.post(f"{scene.idp.issuer}/par", data={"client_id": scene.base}, headers=headers) as answer:
        assert answer.status == 401


async def test_a_pushed_request_serves_once(scene: Scene) -> None:
    asked = await scene.ask()
    scene.identify(asked)
    with pytest.raises(Exception, match="request_uri"):
        scene.identify(asked)
