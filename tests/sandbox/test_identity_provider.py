"""The stand-in identity provider, asked over HTTP as a relying party and a person's browser would."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet

from messenger_core.service_auth.keys import generate_private_key, write_private_key
from sandbox.identity_provider.app import open_application
from sandbox.identity_provider.register import read_people, write_people
from sandbox.identity_provider.settings import IdentityProviderSettings
from sandbox.people import AGENTS, HEK_IK, Person, fresh_person, new_kvnr
from sandbox.ports import HOST, keep_ports

CALLBACK = "http://127.0.0.1:1/_synapse/client/oidc/callback"
VERIFIER = "v" * 64
ERIKA = Person(name="erika", display_name="Erika <Muster>", kvnr=new_kvnr(), ik=HEK_IK, pin="123456")
MAX = Person(name="max", display_name="Max Muster", kvnr=new_kvnr(), ik=HEK_IK, pin="234567")
ASK = {
    "client_id": "homeserver",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid urn:telematik:display_name urn:telematik:versicherter",
    "state": "the-state",
    "nonce": "the-nonce",
    "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode(),
    "code_challenge_method": "S256",
}


@dataclass(frozen=True, slots=True)
class Running:
    """The running stand-in, and what its relying parties and people do."""

    base: str
    secret: str
    people_token: str
    people_file: Path
    http: aiohttp.ClientSession

    async def ask(self, provider: str = "gesundheitsid", **changes: str) -> tuple[int, str, dict[str, str]]:
        """Status, page, and what the browser is sent back with."""
        query = {key: value for key, value in {**ASK, **changes}.items() if value}
        address = f"{self.base}/{provider}/authorize"
        async with self.http.get(address, params=query, allow_redirects=False) as answer:
            return answer.status, await answer.text(), sent_back(answer)

    async def enter(
        self, page: str, person: str, pin: str, provider: str = "gesundheitsid", **more: str
    ) -> tuple[int, str, dict[str, str]]:
        """Fills the page's form in."""
        found = re.search(r'name="request" value="([^"]+)"', page)
        assert found
        form = {"request": found[1], "person": person, "pin": pin, **more}
        async with self.http.post(f"{self.base}/{provider}/sign-in", data=form, allow_redirects=False) as answer:
            return answer.status, await answer.text(), sent_back(answer)

    async def code(
        self, provider: str = "gesundheitsid", person: str = "erika", pin: str = "123456", **ask: str
    ) -> str:
        """A code after a sign-in."""
        _, page, _ = await self.ask(provider, **ask)
        status, _, back = await self.enter(page, person, pin, provider)
        assert status == 303
        return back["code"]

    async def token(
        self, code: str, provider: str = "gesundheitsid", *, client: str = "homeserver", **changes: str
    ) -> tuple[int, dict[str, Any]]:
        """What the token endpoint answers; ``secret`` may be changed like the form's fields."""
        credentials = base64.b64encode(f"{client}:{changes.pop('secret', self.secret)}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}"}
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            **changes,
        }
        async with self.http.post(f"{self.base}/{provider}/token", data=form, headers=headers) as answer:
            return answer.status, await answer.json()

    async def claims(self, id_token: str, provider: str = "gesundheitsid") -> dict[str, Any]:
        """The verified claims of an id token."""
        async with self.http.get(f"{self.base}/{provider}/jwks.json") as answer:
            keys = KeySet.import_key_set(await answer.json())
        return dict(jwt.decode(id_token, keys, algorithms=["ES256"]).claims)


def sent_back(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(answer.headers.get("Location", "")).query).items()}


@pytest.fixture
async def idp(tmp_path: Path) -> AsyncIterator[Running]:
    """The real application, on a port of its own."""
    port = keep_ports(["idp"], tmp_path / "ports.json")["idp"]
    base = f"http://{HOST}:{port}"
    for name in ("gesundheitsid", "staff"):
        write_private_key(generate_private_key(), tmp_path / f"{name}.jwk")
    values = {name: secrets.token_urlsafe(16) for name in ("secret", "token", "pairwise")}
    for name, value in values.items():
        (tmp_path / name).write_text(value + "\n")
    write_people(tmp_path / "people.json", [ERIKA, MAX], AGENTS)
    parties = [("gesundheitsid", "homeserver"), ("gesundheitsid", "another"), ("staff", "homeserver")]
    settings = IdentityProviderSettings.model_validate(
        {
            "listen": {"port": port},
            "public_url": base,
            "people_file": str(tmp_path / "people.json"),
            "signing_key_files": {name: str(tmp_path / f"{name}.jwk") for name in ("gesundheitsid", "staff")},
            "pairwise_secret_file": str(tmp_path / "pairwise"),
            "people_token_file": str(tmp_path / "token"),
            "relying_parties": [
                {
                    "provider": provider,
                    "client_id": client,
                    "secret_file": str(tmp_path / "secret"),
                    "redirect_uris": [CALLBACK],
                }
                for provider, client in parties
            ],
        }
    )
    async with open_application(settings) as app:
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        async with aiohttp.ClientSession() as http:
            yield Running(base, values["secret"], values["token"], tmp_path / "people.json", http)
        await runner.cleanup()


async def test_discovery_names_the_issuer_and_only_what_is_supported(idp: Running) -> None:
    for provider in ("gesundheitsid", "staff"):
        async with idp.http.get(f"{idp.base}/{provider}/.well-known/openid-configuration") as answer:
            metadata = await answer.json()
        assert metadata["issuer"] == f"{idp.base}/{provider}"
        assert metadata["code_challenge_methods_supported"] == ["S256"]
        assert metadata["id_token_signing_alg_values_supported"] == ["ES256"]


async def test_a_sign_in_gives_gematiks_claims_in_a_signed_id_token(idp: Running) -> None:
    status, tokens = await idp.token(await idp.code())
    assert status == 200
    claims = await idp.claims(tokens["id_token"])
    assert claims["urn:telematik:claims:id"] == ERIKA.kvnr
    assert claims["urn:telematik:claims:organization"] == HEK_IK
    assert claims["urn:telematik:claims:profession"] == "1.2.276.0.76.4.49"
    assert claims["urn:telematik:display_name"] == ERIKA.display_name
    assert claims["acr"] == "gematik-ehealth-loa-high"
    assert (claims["nonce"], claims["aud"], claims["iss"]) == (
        "the-nonce",
        "homeserver",
        f"{idp.base}/gesundheitsid",
    )
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    async with idp.http.get(f"{idp.base}/gesundheitsid/userinfo", headers=headers) as answer:
        assert (await answer.json())["sub"] == claims["sub"]


async def test_claims_are_only_given_for_the_scopes_that_were_asked_for(idp: Running) -> None:
    _, tokens = await idp.token(await idp.code(scope="openid"))
    assert not any(claim.startswith("urn:telematik") for claim in await idp.claims(tokens["id_token"]))


async def test_a_person_has_another_pseudonym_at_every_relying_party(idp: Running) -> None:
    subjects = []
    for client in ("homeserver", "homeserver", "another"):
        _, tokens = await idp.token(await idp.code(client_id=client), client=client)
        subjects.append((await idp.claims(tokens["id_token"]))["sub"])
    assert subjects[0] == subjects[1] != subjects[2]
    assert "erika" not in subjects[0]


async def test_an_agent_signs_in_at_the_staff_provider_and_not_with_gesundheitsid(idp: Running) -> None:
    agent = AGENTS[0]
    code = await idp.code("staff", agent.name, agent.pin, scope="openid profile")
    _, tokens = await idp.token(code, "staff")
    claims = await idp.claims(tokens["id_token"], "staff")
    assert (claims["preferred_username"], claims["name"]) == (agent.preferred_username, agent.display_name)
    _, page, _ = await idp.ask()
    status, _, _ = await idp.enter(page, agent.name, agent.pin)
    assert status == 422


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"state": ""}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
async def test_a_request_without_what_makes_it_safe_is_sent_back(
    idp: Running, change: dict[str, str], error: str
) -> None:
    status, _, back = await idp.ask(**change)
    assert (status, back["error"]) == (303, error)


@pytest.mark.parametrize("change", [{"client_id": "nobody"}, {"redirect_uri": "https://evil.example/"}])
async def test_an_unknown_client_or_return_address_gets_a_page_and_no_redirect(
    idp: Running, change: dict[str, str]
) -> None:
    status, page, back = await idp.ask(**change)
    assert (status, back) == (400, {})
    assert next(iter(change)) in page


async def test_a_wrong_pin_shows_the_page_again_and_the_right_one_then_works(idp: Running) -> None:
    _, page, _ = await idp.ask()
    status, again, _ = await idp.enter(page, "erika", "999999")
    assert status == 422
    for part in ("nicht richtig", "not correct", 'role="alert"', 'aria-invalid="true"'):
        assert part in again
    assert re.search(r'value="erika" required checked', again)
    status, _, back = await idp.enter(again, "erika", ERIKA.pin)
    assert (status, back["state"]) == (303, "the-state")


async def test_after_three_wrong_pins_even_the_right_one_must_wait(idp: Running) -> None:
    _, page, _ = await idp.ask()
    assert [(await idp.enter(page, "erika", "999999"))[0] for _ in range(3)] == [422, 422, 429]
    status, text, _ = await idp.enter(page, "erika", ERIKA.pin)
    assert status == 429
    assert "dreimal falsch" in text
    status, _, _ = await idp.enter(page, "max", MAX.pin)
    assert status == 303


@pytest.mark.parametrize("pin", ["", "12345", "1234567", "12345a", "１２３４５６"])
async def test_what_is_not_six_digits_costs_no_try(idp: Running, pin: str) -> None:
    _, page, _ = await idp.ask()
    for _ in range(4):
        assert (await idp.enter(page, "erika", pin))[0] == 422
    assert (await idp.enter(page, "erika", ERIKA.pin))[0] == 303


async def test_a_page_works_once(idp: Running) -> None:
    _, page, _ = await idp.ask()
    await idp.enter(page, "erika", ERIKA.pin)
    status, text, _ = await idp.enter(page, "erika", ERIKA.pin)
    assert status == 400
    assert "abgelaufen" in text


async def test_cancelling_sends_back_with_access_denied(idp: Running) -> None:
    _, page, _ = await idp.ask()
    status, _, back = await idp.enter(page, "erika", "", do="cancel")
    assert (status, back["error"], back["state"]) == (303, "access_denied", "the-state")


async def test_a_code_is_worth_something_once(idp: Running) -> None:
    code = await idp.code()
    assert (await idp.token(code))[0] == 200
    status, body = await idp.token(code)
    assert (status, body["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"secret": "wrong"}, 401, "invalid_client"),
        ({"secret": "wröng"}, 401, "invalid_client"),
        ({"client": "nobody"}, 401, "invalid_client"),
        ({"client": "another"}, 400, "invalid_grant"),
        ({"code_verifier": "w" * 64}, 400, "invalid_grant"),
        ({"redirect_uri": "https://evil.example/"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
async def test_the_token_endpoint_refuses(idp: Running, change: dict[str, str], status: int, error: str) -> None:
    code = await idp.code()
    answered, body = await idp.token(code, **change)
    assert (answered, body["error"]) == (status, error)


async def test_userinfo_needs_a_known_token(idp: Running) -> None:
    async with idp.http.get(f"{idp.base}/gesundheitsid/userinfo", headers={"Authorization": "Bearer x"}) as answer:
        assert answer.status == 401


class _Reader(HTMLParser):
    """Which fields and labels a page has, what it loads, and in which languages it speaks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.labels: set[str] = set()
        self.fields: set[str] = set()
        self.ids: set[str] = set()
        self.described_by: set[str] = set()
        self.loaded: list[str] = []
        self.languages: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values["id"]} if "id" in values else set()
        self.languages |= {values["lang"]} if "lang" in values else set()
        self.described_by |= set(values.get("aria-describedby", "").split())
        if tag == "label":
            self.labels.add(values["for"])
        if tag in {"input", "select"} and values.get("type") != "hidden":
            self.fields.add(values["id"])
        self.loaded += [values[name] for name in ("src", "href") if name in values]


async def test_every_field_has_a_label_and_nothing_is_loaded_from_elsewhere(idp: Running) -> None:
    _, page, _ = await idp.ask()
    _, again, _ = await idp.enter(page, "erika", "999999")
    for shown in (page, again):
        reader = _Reader(shown)
        assert reader.fields == {"person-erika", "person-max", "pin"} == reader.labels
        assert reader.described_by <= reader.ids
        assert reader.languages == {"de", "en"}
        assert reader.loaded == ["/style.css"]
        assert "autofocus" in shown
    async with idp.http.get(f"{idp.base}/style.css") as answer:
        assert answer.status == 200
        assert "url(" not in await answer.text()


async def test_names_are_escaped(idp: Running) -> None:
    _, page, _ = await idp.ask()
    assert "Erika &lt;Muster&gt;" in page
    assert "<Muster>" not in page


async def test_people_are_added_with_the_token_and_kept(idp: Running) -> None:
    person = fresh_person("Petra")
    headers = {"Authorization": f"Bearer {idp.people_token}"}
    for _ in range(2):
        async with idp.http.post(f"{idp.base}/sandbox/people", json=person.model_dump(), headers=headers) as answer:
            assert answer.status == 201
    assert await idp.code(person=person.name, pin=person.pin)
    assert read_people(idp.people_file) == ([ERIKA, MAX, person], list(AGENTS))


@pytest.mark.parametrize(
    ("token", "changes", "status"),
    [("wrong", {}, 401), (None, {"name": "erika"}, 409), (None, {"pin": "12"}, 400), (None, {"more": 1}, 400)],
)
async def test_nobody_is_added_without_the_token_or_with_wrong_values(
    idp: Running, token: str | None, changes: dict[str, object], status: int
) -> None:
    headers = {"Authorization": f"Bearer {token or idp.people_token}"}
    body = {**fresh_person("Petra").model_dump(), **changes}
    async with idp.http.post(f"{idp.base}/sandbox/people", json=body, headers=headers) as answer:
        assert answer.status == status
    assert read_people(idp.people_file)[0] == [ERIKA, MAX]
