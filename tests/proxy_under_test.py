"""A real nginx with the configuration that is shipped, on loopback in front of whatever a test puts behind it."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sandbox.ports import reserve_port
from tests.conftest import lacking
from tests.security.raw_http import RawAnswer
from tests.synapse_modules.certificate_authority import CertificateAuthority

SHIPPED = Path(__file__).parent.parent / "config" / "nginx"
HOMESERVER, DIRECTORY = "matrix.messenger.example", "directory.messenger.example"
BROKER, BOT = "gesundheitsid.messenger.example", "bot.messenger.example"
_PORTS_BEHIND = {"homeserver": 8008, "directory": 8030, "gesundheitsid": 8060, "bot": 8471}
_MAIN = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/main.log warn; {user}
events {{ worker_connections 2048; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/hek-messenger.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running nginx; ``source`` of a call is the loopback address that it comes from: 127.0.0.1 is inside."""

    folder: Path
    port: int
    plain_port: int

    async def ask(
        self,
        method: str,
        server: str,
        path: str,
        *,
        source: str = "127.9.9.9",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RawAnswer:
        """Asks one of the servers."""
        connector = aiohttp.TCPConnector(local_addr=(source, 0), ssl=_trusting())
        async with (
            aiohttp.ClientSession(connector=connector, auto_decompress=False) as http,
            http.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                data=body,
                headers={"Host": server, **(headers or {})},
                server_hostname=server,
                allow_redirects=False,
            ) as answer,
        ):
            found = {name.lower(): value for name, value in answer.headers.items()}
            return RawAnswer(answer.status, found, await answer.read())

    async def connect(self, server: str, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which a test sends what it likes."""
        return await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=_trusting(), server_hostname=server, local_addr=(source, 0)
        )


@functools.cache
def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _write_configuration(folder: Path, behind: Mapping[str, int], port: int, plain_port: int) -> Path:
    """The shipped files, with this test's paths and ports in place of the operator's."""
    snippets = folder / "hek-messenger"
    shutil.copytree(SHIPPED / "snippets", snippets)
    authority, key = CertificateAuthority("proxy"), ec.generate_private_key(ec.SECP256R1())
    certificate = authority.issue("proxy", key.public_key())
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    shutil.copy(SHIPPED / "hek-messenger.conf", folder)
    for path in (folder / "hek-messenger.conf", *snippets.iterdir()):
        text = path.read_text(encoding="utf-8")
        text = text.replace("include hek-messenger/", f"include {snippets}/")
        text = text.replace("/etc/hek-messenger/tls/", f"{folder}/").replace("/var/log/nginx/", f"{folder}/")
        text = text.replace("listen 443 ", f"listen 127.0.0.1:{port} ").replace(
            "listen 80 ", f"listen 127.0.0.1:{plain_port} "
        )
        for name, usual in _PORTS_BEHIND.items():
            text = text.replace(f"server 127.0.0.1:{usual};", f"server 127.0.0.1:{behind.get(name, usual)};")
        assert not re.search(r"(?<![\w.])/(?:etc|var)/(?!nginx/)", re.sub(r"#.*", "", text)), path.name
        path.write_text(text, encoding="utf-8")
    main = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    main.write_text(_MAIN.format(folder=folder, user=user), encoding="utf-8")
    return main


@contextmanager
def running_proxy(folder: Path, behind: Mapping[str, int]) -> Iterator[Proxy]:
    """nginx, once it listens.

    Args:
        folder: where everything of it lies.
        behind: the ports of what stands behind it: ``homeserver``, ``directory``, ``gesundheitsid``, ``bot``.
    """
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        lacking("nginx (Debian package nginx)")
    port, plain_port = reserve_port(), reserve_port()
    main = _write_configuration(folder, behind, port, plain_port)
    checked = subprocess.run([program, "-t", "-c", str(main)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen([program, "-c", str(main)])
    try:
        _wait_until_it_listens(process, port)
        yield Proxy(folder, port, plain_port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
