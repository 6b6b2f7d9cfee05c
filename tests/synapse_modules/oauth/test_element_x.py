"""Element X's own core signs a person in, over TLS, and lives through all that a session can meet."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from messenger_core.homeserver_interface import HOMESERVER_TOKEN_PATH
from messenger_core.service_auth.assertions import make_assertion
from messenger_core.service_auth.token_grant import ASSERTION_TYPE
from sandbox.ports import reserve_port
from tests.clients.element_x_client import ElementX, ElementXFault, run_element_x
from tests.synapse_modules.browsing import Browser, Page
from tests.synapse_modules.certificate_authority import CertificateAuthority
from tests.synapse_modules.homeserver_under_test import PREFIX, Homeserver, claims, new_kvnr, running_homeserver
from tests.synapse_modules.session_to_lock import today
from tests.synapse_modules.stand_ins import serving
from tests.synapse_modules.tls_front import forwarding_to, tls_context

_TOKEN_LIFETIME_S = 15


@dataclass
class House:
    """A homeserver behind TLS, and whom its clients trust."""

    homeserver: Homeserver
    address: str
    certificate: Path
    tls: ssl.SSLContext


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, loopback_authority: CertificateAuthority) -> Iterator[House]:
    folder, port = tmp_path_factory.mktemp("element-x"), reserve_port()
    address = f"https://127.0.0.1:{port}"
    certificate, key = loopback_authority.write_server(folder, "127.0.0.1")
    trusted = folder / "authority.der"
    trusted.write_bytes(loopback_authority.certificate.public_bytes(Encoding.DER))
    context = ssl.create_default_context(cadata=trusted.read_bytes())
    more_synapse = {
        "public_baseurl": f"{address}/",
        "sso": {"client_whitelist": [f"{address}/_synapse/client/sign_in/callback"]},
        "refreshable_access_token_lifetime": f"{_TOKEN_LIFETIME_S}s",
    }
    with running_homeserver(
        folder, more_module={"public_url": address}, more_synapse=more_synapse, x_forwarded=True
    ) as homeserver:
        front = forwarding_to(homeserver.base)
        with serving(front, port, tls=tls_context(certificate, key)):
            yield House(homeserver, address, trusted, context)


@dataclass
class Erika:
    """A person, her browser, and her phone."""

    house: House
    kvnr: str
    phone: ElementX
    browser: Browser
    user_id: str = ""
    device_id: str = ""

    async def walk(self, address: str) -> tuple[str, Page]:
        """Opens an address and signs in where she is asked to."""
        self.house.homeserver.provider.claims = claims(self.kvnr)
        address, page = await self.browser.open(address)
        chosen = next((one for one in page.links if "idp=oidc-gesundheitsid" in one), None)
        if chosen is not None:
            address, page = await self.browser.open(f"{self.house.address}/_synapse/client/{chosen}")
        if page.terms:
            address, page = await self.browser.open(address, {"accepted_version": page.terms})
        return address, page

    async def sign_in(self) -> None:
        _, page = await self.walk((await self.phone.do("begin"))["url"])
        said = await self.phone.do("finish", callback=next(one for one in page.links if "code=" in one))
        self.user_id, self.device_id = said["user_id"], said["device_id"]

    def devices(self) -> list[str]:
        query = "SELECT device_id FROM devices WHERE user_id = ? AND NOT hidden"
        return [device_id for (device_id,) in self.house.homeserver.rows(query, self.user_id)]


@pytest.fixture
async def erika(house: House, tmp_path: Path) -> AsyncIterator[Erika]:
    async with run_element_x(house.address, tmp_path, house.certificate) as phone:
        browser = Browser(stops_at="io.element.android:", tls=house.tls)
        person = Erika(house, new_kvnr(), phone, browser)
        offered = await phone.do("build")
        assert offered["oauth"]
        await person.sign_in()
        yield person


async def test_she_signs_in_syncs_and_signs_out(erika: Erika) -> None:
    assert erika.devices() == [erika.device_id]
    await erika.phone.do("sync")
    page = urlsplit((await erika.phone.do("account_url"))["url"])
    assert page.path == "/_synapse/client/sign_in/account"
    await erika.phone.do("logout")
    assert erika.devices() == []
    assert not erika.house.homeserver.rows("SELECT 1 FROM hek_oauth_session WHERE user_id = ?", erika.user_id)


async def test_her_tokens_are_renewed_by_themselves(erika: Erika) -> None:
    before = await erika.phone.do("session")
    await asyncio.sleep(_TOKEN_LIFETIME_S + 1)
    assert (await erika.phone.do("verified_name"))["name"] == "Erika Muster"
    after = await erika.phone.do("session")
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"].partition(".")[0] == before["refresh_token"].partition(".")[0]


async def _membership(house: House, call: str, body: dict[str, str]) -> None:
    """A call of the core system's; its assertion names the address that the world sees."""
    assertion = make_assertion(
        house.homeserver.keys["core-system"],
        client_id="core-system",
        audience=f"{house.address}{HOMESERVER_TOKEN_PATH}",
        now=datetime.now(UTC),
    )
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "scope": "membership:write",
    }
    async with aiohttp.ClientSession(house.homeserver.base) as http:
        async with http.post(HOMESERVER_TOKEN_PATH, data=form) as answer:
            token = (await answer.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with http.post(f"{PREFIX}/v1/memberships/{call}", json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()


async def test_a_lock_leaves_her_session_for_an_undo(erika: Erika) -> None:
    ended = {"kvnr": erika.kvnr, "on": today(), "reason": "insurer-switch"}
    await _membership(erika.house, "end", ended)
    await asyncio.sleep(_TOKEN_LIFETIME_S + 1)
    with pytest.raises(ElementXFault):
        await erika.phone.do("verified_name")
    await _membership(erika.house, "undo", {"kvnr": erika.kvnr})
    assert (await erika.phone.do("verified_name"))["name"] == "Erika Muster"
    assert erika.devices() == [erika.device_id]


async def test_she_resets_her_identity_on_her_page(erika: Erika) -> None:
    keys = "SELECT keydata FROM e2e_cross_signing_keys WHERE user_id = ? AND keytype = 'master' ORDER BY stream_id DESC"
    await erika.phone.do("sync")
    before = erika.house.homeserver.rows(keys, erika.user_id)
    assert len(before) == 1, "the first identity needed nobody's approval"
    asked = await erika.phone.do("begin_reset")
    _, page = await erika.walk(asked["url"])
    assert "nie mehr" in page.text
    _, page = await erika.browser.open(f"{erika.house.address}/_synapse/client/sign_in/account/reset", page.hidden)
    assert "zurück" in page.text
    await erika.phone.do("finish_reset")
    assert erika.house.homeserver.rows(keys, erika.user_id)[0] != before[0]
