"""A whole sign-in: what the client learns, what stays, codes used once, keys that change, sessions that end."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet

from gesundheitsid.app import end_sessions
from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.keys import generate_private_key, public_jwks
from tests.gesundheitsid.scene import CLIENT_CALLBACK, Page, Scene, opened

_WAIT_S = 60.0


@pytest.fixture
async def either(tmp_path: Path, database_url: str) -> AsyncIterator[Scene]:
    """A scene on each kind of database."""
    async with opened(tmp_path, database_url) as running:
        yield running


async def claims_of(scene: Scene, answer: dict[str, Any]) -> dict[str, Any]:
    _, keys = await scene.get("/jwks.json")
    return dict(jwt.decode(answer["id_token"], KeySet.import_key_set(json.loads(keys)), algorithms=["ES256"]).claims)


async def signed_in(scene: Scene, **changes: str) -> dict[str, Any]:
    page = await scene.sign_in(**changes)
    assert page.status == 303, page.text
    status, answer = await scene.token(page.query["code"], client=changes.get("client_id", "homeserver"))
    assert status == 200, answer
    return answer


async def test_the_client_learns_who_it_is_under_gematiks_names(either: Scene) -> None:
    answer = await signed_in(either)
    claims = await claims_of(either, answer)
    assert claims["iss"] == either.base
    assert claims["aud"] == "homeserver"
    assert claims["nonce"] == "client-nonce"
    assert claims["acr"] == "gematik-ehealth-loa-high"
    assert claims["urn:telematik:claims:id"] == either.person.kvnr
    assert claims["urn:telematik:claims:organization"] == either.person.ik
    assert claims["urn:telematik:claims:profession"] == "1.2.276.0.76.4.49"
    assert claims["urn:telematik:display_name"] == either.person.display_name
    assert either.person.kvnr not in claims["sub"]
    status, body = await either.get("/userinfo", Authorization=f"Bearer {answer['access_token']}")
    assert (status, json.loads(body)) == (200, {"sub": claims["sub"]})


async def test_a_code_is_used_once_and_a_second_use_ends_what_it_gave(either: Scene) -> None:
    page = await either.sign_in()
    status, answer = await either.token(page.query["code"])
    assert status == 200
    status, refusal = await either.token(page.query["code"])
    assert (status, refusal["error"]) == (400, "invalid_grant")
    status, _ = await either.get("/userinfo", Authorization=f"Bearer {answer['access_token']}")
    assert status == 401
    sid = (await claims_of(either, answer))["sid"]
    assert (await told(either))["sid"] == sid
    _, metrics = await either.get("/metrics")
    assert "hek_gesundheitsid_replayed_codes_total 1.0" in metrics


async def told(scene: Scene) -> dict[str, Any]:
    """The logout token that the client gets."""
    async with asyncio.timeout(_WAIT_S):
        await scene.logged_out.wait()
    _, keys = await scene.get("/jwks.json")
    token = jwt.decode(scene.logout_tokens[0], KeySet.import_key_set(json.loads(keys)), algorithms=["ES256"])
    assert token.header["typ"] == "logout+jwt"
    assert "nonce" not in token.claims
    assert token.claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    return dict(token.claims)


async def test_two_who_redeem_a_code_at_once_do_not_both_get_in(either: Scene) -> None:
    page = await either.sign_in()
    answers = await asyncio.gather(*(either.token(page.query["code"]) for _ in range(5)))
    assert sum(status == 200 for status, _ in answers) == 1


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"secret": "wrong"}, 401, "invalid_client"),
        ({"client": "nobody"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client": "another"}, 400, "invalid_grant"),
        ({"code_verifier": "w" * 64}, 400, "invalid_grant"),
        ({"code_verifier": ""}, 400, "invalid_grant"),
        ({"redirect_uri": "https://thief.example"}, 400, "invalid_grant"),
    ],
)
async def test_a_code_in_the_wrong_hands_gives_nothing(
    scene: Scene, changes: dict[str, str], status: int, error: str
) -> None:
    page = await scene.sign_in()
    got, answer = await scene.token(page.query["code"], **changes)
    assert (got, answer["error"]) == (status, error)


async def test_a_code_is_good_for_a_minute_alone(scene: Scene) -> None:
    page = await scene.sign_in()
    scene.late = timedelta(seconds=61)
    status, answer = await scene.token(page.query["code"])
    assert (status, answer["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"state": "\0"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_a_client_is_told_what_is_wrong_with_its_request(
    scene: Scene, changes: dict[str, str], error: str
) -> None:
    page = await scene.ask(**changes)
    assert page.location.startswith(CLIENT_CALLBACK)
    assert page.query["error"] == error


async def test_two_clients_know_a_person_under_two_names(scene: Scene) -> None:
    first, second = await signed_in(scene), await signed_in(scene)
    other = await signed_in(scene, client_id="another")
    subjects = [(await claims_of(scene, answer))["sub"] for answer in (first, second, other)]
    assert subjects[0] == subjects[1] != subjects[2]


async def test_nothing_of_a_person_is_in_the_database_but_sealed(scene: Scene) -> None:
    waiting = await scene.sign_in()
    path = scene.settings.database.removeprefix("sqlite:///")
    personal = [scene.person.kvnr, scene.person.display_name, scene.person.display_name.split()[1]]
    assert not any(word.encode() in Path(path).read_bytes() for word in personal)
    status, _ = await scene.token(waiting.query["code"])
    assert status == 200
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        assert connection.execute("SELECT sealed FROM grant_code").fetchall() == [(None,)]


async def test_ended_sessions_are_told_to_the_client(either: Scene) -> None:
    answer = await signed_in(either)
    assert await end_sessions(either.settings, "A123456780") == 0
    assert await end_sessions(either.settings, either.person.kvnr) == 1
    status, _ = await either.get("/userinfo", Authorization=f"Bearer {answer['access_token']}")
    assert status == 401
    claims = await claims_of(either, answer)
    logout = await told(either)
    assert (logout["sid"], logout["sub"], logout["aud"]) == (claims["sid"], claims["sub"], "homeserver")


@pytest.mark.parametrize("purpose", ["federation", "tls", "encryption", "id-token"])
async def test_our_keys_change_while_people_sign_in(scene: Scene, purpose: Any) -> None:
    """One who is on her way when a key changes arrives, and so does the next."""
    asked = await scene.ask()
    before = scene.keys.ring(purpose).current.kid
    scene.keys.rotate(purpose, datetime.now(UTC))
    assert scene.keys.ring(purpose).current.kid != before
    page = await scene.open(scene.identify(asked))
    assert page.status == 303, page.text
    await signed_in(scene)
    assert scene.keys.ring(purpose).earlier[0].kid == before


async def test_the_providers_keys_change(scene: Scene) -> None:
    """Its new key is not known, so its keys are fetched once more; not for every bad token, though."""
    await signed_in(scene)
    asked: list[str] = []

    def count(request: web.Request) -> None:
        asked.append(request.path)

    scene.interference = count
    scene.idp.token_key = generate_private_key()
    scene.late = timedelta(seconds=31)
    await signed_in(scene)
    assert asked.count("/jws.json") == 1
    scene.idp.sign = lambda said: sign_statement(generate_private_key(), said)
    for _ in range(3):
        assert (await scene.sign_in()).status == 400
    assert asked.count("/jws.json") == 1


async def test_what_was_fetched_is_kept_and_fetched_once_for_all(scene: Scene) -> None:
    asked: list[str] = []

    def count(request: web.Request) -> None:
        asked.append(request.path)

    scene.interference = count
    await asyncio.gather(*(scene.ask() for _ in range(8)))
    # Once by us, and once by the identity provider, which asks about us.
    assert asked.count("/federation/fetch") <= 1 + 8
    assert asked.count("/.well-known/openid-federation") == 2
    scene.late = timedelta(hours=13)
    await scene.ask()
    assert asked.count("/.well-known/openid-federation") == 3


async def test_a_slow_provider_is_not_waited_for_without_end(tmp_path: Path) -> None:
    async with opened(tmp_path, f"sqlite:///{tmp_path}/broker.db", timeout_s=0.5) as scene:
        original = scene.idp.push

        async def slowly(form: Any, certificate: bytes | None) -> dict[str, Any]:
            await asyncio.sleep(3)
            return await original(form, certificate)

        scene.idp.push = slowly  # type: ignore[method-assign]
        page = await scene.sign_in()
        assert page.status == 503
        assert "provider-unavailable" in page.text


@pytest.mark.parametrize("deviation", ["par-answers-200", "statement-content-type", "signed-jwks-type"])
async def test_a_deviation_is_tolerated_if_it_is_named(tmp_path: Path, deviation: str) -> None:
    for tolerated in ([], [deviation]):
        folder = tmp_path / str(len(tolerated))
        folder.mkdir()
        url = f"sqlite:///{folder}/broker.db"
        async with opened(folder, url, tolerated_deviations=tolerated) as scene:
            await deviate(scene, deviation)
            assert (await scene.sign_in()).status == (303 if tolerated else 400)


async def deviate(scene: Scene, deviation: str) -> None:
    if deviation == "signed-jwks-type":
        said = {"iss": scene.idp.issuer, **public_jwks(scene.idp.token_key)}
        scene.idp.sign_keys = lambda: sign_statement(scene.idp.key, said)
    elif deviation == "statement-content-type":

        def as_text(request: web.Request) -> web.StreamResponse | None:
            ours = request.path == "/.well-known/openid-federation" and request.host in scene.idp.issuer
            return web.Response(text=scene.idp.configuration()) if ours else None

        scene.interference = as_text
    else:
        scene.idp.created = 200


async def test_our_entity_statement_is_as_gematik_wants_it(scene: Scene) -> None:
    async with scene.http.get(f"{scene.base}/.well-known/openid-federation") as answer:
        assert answer.content_type == "application/entity-statement+jwt"
        signed = await answer.text()
    ring = scene.keys.ring("federation")
    token = jwt.decode(signed, ring.current, algorithms=["ES256"])
    assert token.header["typ"] == "entity-statement+jwt"
    assert [key["kid"] for key in token.claims["jwks"]["keys"]] == [ring.current.kid, ring.following.kid]
    assert token.claims["authority_hints"] == [scene.master.entity_id]
    party = token.claims["metadata"]["openid_relying_party"]
    assert {key["use"] for key in party["jwks"]["keys"]} == {"sig", "enc"}
    assert not any("d" in key for key in [*party["jwks"]["keys"], *token.claims["jwks"]["keys"]])
    assert party["redirect_uris"] == [f"{scene.base}/callback"]
    assert party["token_endpoint_auth_method"] == "self_signed_tls_client_auth"
    assert party["default_acr_values"] == ["gematik-ehealth-loa-high"]


async def test_the_operators_commands(scene: Scene, tmp_path: Path) -> None:
    settings = scene.settings.model_dump(mode="json")
    settings["federation"] = {name: value for name, value in settings["federation"].items() if value is not None}
    config = tmp_path / "gesundheitsid.yaml"
    config.write_text(json.dumps({**settings, "keys_file": str(tmp_path / "fresh.json")}))

    async def command(*arguments: str, said: bytes = b"") -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gesundheitsid", "--config", str(config), *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate(said)
        return process.returncode, output.decode()

    code, output = await command()
    assert (code, "make-keys" in output) == (2, True)
    assert (await command("make-keys"))[0] == 0
    made = (tmp_path / "fresh.json").read_text()
    assert (tmp_path / "fresh.json").stat().st_mode & 0o077 == 0
    assert "already" in (await command("make-keys"))[1]
    assert (tmp_path / "fresh.json").read_text() == made
    assert (await command("rotate-keys", "encryption"))[0] == 0
    before, after = json.loads(made), json.loads((tmp_path / "fresh.json").read_text())
    assert after["encryption"]["current"] == before["encryption"]["next"]
    assert after["tls"] == before["tls"]
    code, output = await command("end-sessions", said=f"{scene.person.kvnr}\n".encode())
    assert (code, output) == (0, "sessions ended: 0\n")


async def test_people_choose_their_insurer(tmp_path: Path) -> None:
    """The list of insurers: shown, nothing chosen, something else chosen, and the right one."""
    async with opened(tmp_path, f"sqlite:///{tmp_path}/broker.db", choice=True) as scene:
        scene.master.list_idps = lambda: sign_statement(generate_private_key(), {})
        assert "list-invalid" in (await scene.ask()).text
        scene.master.list_idps = None
        page = await scene.ask()
        assert "Andere &lt;Kasse&gt;" in page.text
        handle = page.text.partition('name="handle" value="')[2].partition('"')[0]

        async def choose(idp: str, **changes: str) -> Page:
            return await scene.open(f"{scene.base}/choose", {"handle": handle, "idp": idp, **changes})

        assert (await choose("")).status == 422
        assert "insurer-unknown" in (await choose("https://thief.example")).text
        assert "sign-in-unknown" in (await choose(scene.idp.issuer, handle="x" * 43)).text
        asked = await choose(scene.idp.issuer)
        assert (await scene.open(scene.identify(asked))).status == 303
