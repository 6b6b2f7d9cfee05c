"""Element X's own core (matrix-rust-sdk's FFI) as a program: one command a line of JSON in, one answer a line out."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from matrix_sdk_python._generated import matrix_sdk_ffi
from matrix_sdk_python._generated.matrix_sdk_ffi import (
    Client,
    ClientBuilder,
    OAuthConfiguration,
    SqliteStoreBuilder,
)


class _Keychain(matrix_sdk_ffi.ClientSessionDelegate):  # type: ignore[misc]
    """Where the app keeps its session; the client tells it of renewed tokens."""

    def __init__(self) -> None:
        self.saved: list[Any] = []

    def retrieve_session_from_keychain(self, user_id: str) -> Any:
        return self.saved[-1]

    def save_session_in_keychain(self, session: Any) -> None:
        self.saved.append(session)


class Program:
    """A phone: one client, its store in a folder."""

    def __init__(self, homeserver: str, folder: Path, certificate: bytes | None) -> None:
        self._homeserver = homeserver
        self._folder = folder
        self._certificate = certificate
        self._client: Client | None = None
        self._keychain = _Keychain()
        self._sync: Any = None
        self._reset: Any = None

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    async def build(self) -> dict[str, Any]:
        builder = ClientBuilder().homeserver_url(self._homeserver)
        builder = builder.sqlite_store(SqliteStoreBuilder(str(self._folder), str(self._folder)))
        builder = builder.sliding_sync_version_builder(matrix_sdk_ffi.SlidingSyncVersionBuilder.DISCOVER_NATIVE)
        builder = builder.auto_enable_cross_signing(auto_enable_cross_signing=True)
        builder = builder.set_session_delegate(self._keychain)
        if self._certificate is not None:
            builder = builder.add_root_certificates([self._certificate])
        self._client = await builder.build()
        details = await self.client.homeserver_login_details()
        return {
            "oauth": details.supports_oauth_login(),
            "sso": details.supports_sso_login(),
            "sliding_sync": str(details.sliding_sync_version()),
        }

    async def begin(self) -> dict[str, Any]:
        configuration = OAuthConfiguration(
            client_name="Element X",
            redirect_uri="io.element.android:/",
            client_uri="https://element.io",
            logo_uri="https://element.io/mobile-icon.png",
            tos_uri="https://element.io/acceptable-use-policy-terms",
            policy_uri="https://element.io/privacy",
            static_registrations={},
        )
        data = await self.client.url_for_oauth(configuration, None, None, None, None)
        return {"url": data.login_url()}

    async def finish(self, callback: str) -> dict[str, Any]:
        await self.client.login_with_oauth_callback(callback)
        return {"user_id": self.client.user_id(), "device_id": self.client.device_id()}

    async def session(self) -> dict[str, Any]:
        session = self.client.session()
        return {"access_token": session.access_token, "refresh_token": session.refresh_token}

    async def sync(self) -> dict[str, Any]:
        """Starts simplified sliding sync, and waits until the device has its keys and identity."""
        self._sync = await self.client.sync_service().finish()
        await self._sync.start()
        await self.client.encryption().wait_for_e2ee_initialization_tasks()
        return {}

    async def verified_name(self) -> dict[str, Any]:
        profile = await self.client.get_profile(self.client.user_id())
        return {"name": profile.display_name, "renewed": len(self._keychain.saved)}

    async def begin_reset(self) -> dict[str, Any]:
        """Asks for a new identity, and keeps trying until the person approved it."""
        handle = await self.client.encryption().reset_identity()
        if handle is None:
            return {"url": None}
        url = handle.auth_type().info.approval_url
        self._reset = asyncio.create_task(handle.reset(None))
        return {"url": url}

    async def finish_reset(self) -> dict[str, Any]:
        await self._reset
        return {}

    async def account_url(self) -> dict[str, Any]:
        return {"url": await self.client.account_url(None)}

    async def logout(self) -> dict[str, Any]:
        await self.client.logout()
        return {}


async def _main() -> None:
    homeserver, folder, certificate = sys.argv[1:4]
    program = Program(homeserver, Path(folder), Path(certificate).read_bytes() if certificate else None)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        try:
            answer = await getattr(program, command.pop("do"))(**command)
        except Exception as fault:
            answer = {"fault": f"{type(fault).__name__}: {fault}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main())
