"""What is known about a sandbox that runs: the file that scripts read, and the folder that one sandbox owns."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from sandbox.faults import SandboxFault
from sandbox.identities import open_identity
from sandbox.keys import KeyFolder

if TYPE_CHECKING:
    from messenger_core.matrix.encryption.own_identity import OwnIdentity


class NotRunning(SandboxFault):
    """There is no running sandbox in a folder."""


class AlreadyRunning(SandboxFault):
    """Another sandbox runs in the folder."""


class Ready(BaseModel):
    """The READY file; ``running.json`` in the sandbox's folder is the same.

    Attributes:
        homeserver: the homeserver's base address; likewise ``directory``, ``bot``, ``retention`` and
            ``identity_provider``.
        gesundheitsid: the issuer at which people sign in, the broker; ``staff`` that of the agents' provider.
        federation_master: the entity id of the stand-in federation master; ``sectoral_idp`` that of the identity
            provider behind GesundheitsID.
        federation_ca_file: who signed the certificates of both.
        people: by name, KVNR and PIN.
        practices: by name, user id, Telematik-ID and whether they may be reached.
        agents: by name, their user ids.
        support_rooms: by team, the room of the current quarter.
        admin_token: an access token of an administrator of the homeserver.
        database: by component, the address of its database.
        keys: by caller, the path of its private JWK.
        config: by component, the path of its settings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    homeserver: str
    server_name: str
    identity_provider: str
    gesundheitsid: str
    federation_master: str
    sectoral_idp: str
    federation_ca_file: str
    staff: str
    directory: str
    bot: str
    retention: str
    support_user: str
    service_user: str
    people: dict[str, dict[str, str]]
    practices: dict[str, dict[str, str | bool]]
    agents: dict[str, dict[str, str]]
    support_rooms: dict[str, str]
    admin_token: str
    log_dir: str
    media_store: str
    database: dict[str, str]
    keys: dict[str, str]
    config: dict[str, str]


@dataclass(frozen=True, slots=True)
class Folder:
    """Where everything of one sandbox lies."""

    path: Path

    @property
    def keys(self) -> KeyFolder:
        """Keys and secrets."""
        return KeyFolder(self.path / "keys")

    @property
    def config(self) -> Path:
        """The settings that the processes are started with."""
        return self.path / "config"

    @property
    def databases(self) -> Path:
        """Databases and what else the components keep."""
        return self.path / "state"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.path / "logs"

    @property
    def people_file(self) -> Path:
        """The identity provider's own people and PINs."""
        return self.path / "state" / "people.json"

    @property
    def media_store(self) -> Path:
        """The homeserver's files."""
        return self.path / "state" / "media"

    def identity_of(self, user_id: str) -> OwnIdentity:
        """The cross-signing identity of a person, practice or agent, made when it is first asked for."""
        secret = self.keys.secret("identities-key").read_text(encoding="utf-8").strip()
        return open_identity(self.path / "state" / "identities", user_id, secret)

    @property
    def running_file(self) -> Path:
        """What ``Ready`` says, for as long as the sandbox runs."""
        return self.path / "running.json"


def own_folder(folder: Folder) -> IO[str]:
    """Makes the folder this process's own until the returned file is closed.

    Raises:
        AlreadyRunning: if another process owns it.
    """
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (folder.path / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise AlreadyRunning(
            f"a sandbox is running in {folder.path} already; stop it first, or choose another folder with --dir"
        ) from None
    folder.running_file.unlink(missing_ok=True)
    return lock


def write_ready(path: Path, ready: Ready) -> None:
    """Writes the file in one step; it holds a token, so only its owner can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(ready.model_dump_json(indent=2) + "\n")
    draft.replace(path)


def read_running(directory: Path) -> Ready:
    """What is known about the sandbox that runs in a folder.

    Raises:
        NotRunning: if none does, or it is not ready yet.
    """
    message = f"no sandbox is ready in {directory}; start it with: python -m sandbox up --dir {directory} --ready FILE"
    try:
        with (directory / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        raise NotRunning(message)
    except BlockingIOError:
        pass
    except OSError:
        raise NotRunning(message) from None
    try:
        content: Any = json.loads((directory / "running.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise NotRunning(message) from None
    return Ready.model_validate(content)
