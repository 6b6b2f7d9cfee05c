"""Writes the settings of every process: the operator's examples of config/, with this sandbox's values over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from messenger_core.homeserver_interface import OAUTH_CALLBACK_PATH
from messenger_core.yaml_text import read_yaml
from sandbox.headless_sign_in import RETURN_ADDRESS
from sandbox.keys import BROKER_FEDERATION, FEDERATION_MASTER, OPERATOR, OWNERSHIP_VERIFIER
from sandbox.people import AGENTS, HEK_IK
from sandbox.ports import HOST
from sandbox.practice_software import VERIFIER
from sandbox.running import Folder

SERVER_NAME = "hek.localhost"
COMPONENTS = ("identity-provider", "gesundheitsid", "homeserver", "directory", "bot", "retention")
# The first two are served by the identity provider's process.
PORTS = ("federation-master", "sectoral-idp", *COMPONENTS)
SUPPORT_LOCALPART = "hek"
SERVICE_LOCALPART = "hek-service"
_EXAMPLES = Path(__file__).parent.parent / "config"
_TEMPLATES = Path(__file__).parent.parent / "synapse_modules" / "templates"
# A mixture of the example's value and ours would be wrong.
_REPLACED = frozenset({"database", "server_names"})


@dataclass(frozen=True, slots=True)
class Addresses:
    """The base address of every component."""

    ports: Mapping[str, int]

    def of(self, component: str) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{HOST}:{self.ports[component]}"

    def federation(self, entity: str) -> str:
        """``https://127.0.0.1:PORT`` of a member of the TI federation."""
        return f"https://{HOST}:{self.ports[entity]}"

    def listen(self, component: str) -> dict[str, object]:
        """Where a component listens."""
        return {"host": HOST, "port": self.ports[component]}


def database_url(folder: Folder, component: str) -> str:
    """The address of a component's SQLite database."""
    return f"sqlite:///{folder.databases / component}.db"


def _merged(base: Any, over: Any) -> Any:
    """Values of ``over`` go before those of ``base``; mappings are merged, lists and whole values replaced."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    kept = {key: value for key, value in base.items() if key not in _REPLACED}
    return {**kept, **{key: _merged(kept.get(key), value) for key, value in over.items()}}


def _example(name: str) -> dict[str, Any]:
    content = read_yaml((_EXAMPLES / name).read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def _write(folder: Folder, name: str, content: object) -> None:
    path = folder.config / name
    draft = path.with_name(f".{name}.new")
    draft.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    draft.replace(path)


class SettingsFiles:
    """The settings of one sandbox."""

    def __init__(self, folder: Folder, ports: Mapping[str, int]) -> None:
        self._folder = folder
        self._keys = folder.keys
        self._at = Addresses(ports)

    def write(self) -> None:
        """Writes all files; they are written anew at every start."""
        self._folder.config.mkdir(parents=True, exist_ok=True)
        _write(self._folder, "identity_provider.yaml", self._identity_provider())
        _write(self._folder, "gesundheitsid.yaml", _merged(_example("gesundheitsid.yaml"), self._broker()))
        _write(self._folder, "synapse_modules.yaml", _merged(_example("synapse_modules.yaml"), self._modules()))
        _write(self._folder, "homeserver.yaml", self._homeserver())
        for component, name in (("directory", "directory_service"), ("bot", "bridge_bot"), ("retention", "retention")):
            over = {
                "listen": self._at.listen(component),
                "database": database_url(self._folder, component),
                **{"directory": self._directory, "bot": self._bot, "retention": self._retention}[component](),
            }
            _write(self._folder, f"{name}.yaml", _merged(_example(f"{name}.yaml"), over))

    def _private(self, name: str) -> str:
        return str(self._keys.private(name))

    def _public(self, name: str) -> str:
        return str(self._keys.public(name))

    def _secret(self, name: str) -> str:
        return str(self._keys.secret(name))

    def _client(self, name: str, *scopes: str) -> dict[str, object]:
        return {"client_id": name, "jwks_file": self._public(name), "scopes": list(scopes)}

    def _identity_provider(self) -> dict[str, object]:
        return {
            "listen": self._at.listen("identity-provider"),
            "public_url": self._at.of("identity-provider"),
            "people_file": str(self._folder.people_file),
            "signing_key_files": {name: self._private(f"{name}-signing") for name in ("gesundheitsid", "staff")},
            "pairwise_secret_file": self._secret("pairwise-secret"),
            "people_token_file": self._secret("people-token"),
            "relying_parties": [
                {
                    "provider": "staff",
                    "client_id": "homeserver",
                    "secret_file": self._secret("staff-client-secret"),
                    "redirect_uris": [self._callback],
                }
            ],
            "federation": {
                "server_file": str(self._keys.server_file),
                "ca_file": str(self._keys.ca_file),
                "master": self._at.federation("federation-master"),
                "master_key_file": self._private(FEDERATION_MASTER),
                "sectoral_idp": self._at.federation("sectoral-idp"),
                "sectoral_idp_key_file": self._private("sectoral-idp-signing"),
                "sectoral_idp_token_key_file": self._private("sectoral-idp-token"),
                "members": {self._at.of("gesundheitsid"): self._public(BROKER_FEDERATION)},
            },
        }

    @property
    def _callback(self) -> str:
        return f"{self._at.of('homeserver')}/_synapse/client/oidc/callback"

    def _broker(self) -> dict[str, object]:
        homeserver = self._at.of("homeserver")
        return {
            "listen": self._at.listen("gesundheitsid"),
            # One port a component; who looks at the sandbox finds the figures there as well.
            "internal_listen": None,
            "public_url": self._at.of("gesundheitsid"),
            "database": database_url(self._folder, "gesundheitsid"),
            "keys_file": str(self._keys.broker_keys),
            "pairwise_secret_file": self._secret("gesundheitsid-pairwise-secret"),
            "federation": {
                "master": self._at.federation("federation-master"),
                "master_keys_file": self._public(FEDERATION_MASTER),
                "ca_file": str(self._keys.ca_file),
                "insurer": self._at.federation("sectoral-idp"),
                "private_networks": ["127.0.0.1/32"],
            },
            "clients": [
                {
                    "client_id": "homeserver",
                    "secret_file": self._secret("gesundheitsid-client-secret"),
                    "redirect_uris": [self._callback],
                    "backchannel_logout_uri": f"{homeserver}/_synapse/client/oidc/backchannel_logout",
                }
            ],
        }

    def _modules(self) -> dict[str, object]:
        def account(client_id: str, localpart: str, kind: str, display_name: str) -> dict[str, str]:
            return {"client_id": client_id, "localpart": localpart, "kind": kind, "display_name": display_name}

        return {
            "public_url": self._at.of("homeserver"),
            "signing_key_file": self._private("homeserver-signing"),
            "insurer_ik": HEK_IK,
            # The story plays years that are to come.
            "erasure_minimum_age_years": None,
            "kvnr_lookup_key_file": self._secret("kvnr-lookup-key"),
            "kvnr_encryption_key_file": self._secret("kvnr-encryption-key"),
            "clients": [
                self._client("core-system", "membership:write"),
                self._client("directory", "practice:provision", "account:events"),
                self._client("bot", "insured:read", "account:events"),
                self._client("retention", "insured:read", "account:events", "retention:act", "erasure:act"),
                self._client(OPERATOR, "kvnr-key:rotate"),
            ],
            "accounts": [
                account("bot", SUPPORT_LOCALPART, "service", "HEK"),
                account("retention", SERVICE_LOCALPART, "service", "HEK Service"),
                account(OPERATOR, OPERATOR, "admin", "Operator"),
            ],
            "support_localpart": SUPPORT_LOCALPART,
            "service_localpart": SERVICE_LOCALPART,
            "directory": {
                "url": self._at.of("directory"),
                "client_id": "homeserver",
                "key_file": self._private("homeserver"),
                "jwks_file": self._public("directory-signing"),
            },
        }

    def _homeserver(self) -> dict[str, Any]:
        modules_file = {"file": str(self._folder.config / "synapse_modules.yaml")}
        example = _example("synapse/homeserver.yaml")
        over: dict[str, Any] = {
            "server_name": SERVER_NAME,
            "public_baseurl": self._at.of("homeserver") + "/",
            "pid_file": str(self._folder.databases / "homeserver.pid"),
            "listeners": [
                {
                    "port": self._at.ports["homeserver"],
                    "bind_addresses": [HOST],
                    "type": "http",
                    "tls": False,
                    "x_forwarded": True,
                    "resources": [{"names": ["client", "openid", "consent"], "compress": False}],
                }
            ],
            "database": {"name": "sqlite3", "args": {"database": str(self._folder.databases / "homeserver.db")}},
            # It logs to stderr, which goes to the log file of the process.
            "log_config": str(_EXAMPLES / "synapse" / "log.yaml"),
            "media_store_path": str(self._folder.media_store),
            "signing_key_path": str(self._keys.matrix_signing_key),
            "macaroon_secret_key_path": self._secret("macaroon-secret"),
            "form_secret_path": self._secret("form-secret"),
            "modules": [_merged(module, {"config": modules_file}) for module in example["modules"]],
            "oidc_providers": [
                _merged(provider, self._relying_party(provider["idp_id"], modules_file))
                for provider in example["oidc_providers"]
            ],
            "sso": {
                "client_whitelist": [
                    RETURN_ADDRESS,
                    f"{self._at.of('directory')}/praxissuche/angemeldet",
                    f"{self._at.of('homeserver')}{OAUTH_CALLBACK_PATH}",
                ]
            },
            "user_consent": {"template_dir": str(_TEMPLATES)},
            "templates": {"custom_template_directory": str(_TEMPLATES)},
        }
        merged: dict[str, Any] = _merged(example, over)
        return merged

    def _relying_party(self, provider: str, modules_file: Mapping[str, str]) -> dict[str, object]:
        return {
            "issuer": (
                self._at.of("gesundheitsid")
                if provider == "gesundheitsid"
                else f"{self._at.of('identity-provider')}/{provider}"
            ),
            "client_id": "homeserver",
            "client_secret_path": self._secret(f"{provider}-client-secret"),
            "user_mapping_provider": {"config": dict(modules_file)},
        }

    def _directory(self) -> dict[str, object]:
        return {
            "public_url": self._at.of("directory"),
            "signing_key_file": self._private("directory-signing"),
            "homeserver": {
                "url": self._at.of("homeserver"),
                "client_id": "directory",
                "key_file": self._private("directory"),
            },
            "homeserver_clients": [
                self._client("homeserver", "reachability:read", "directory:search", "practice:sign-in")
            ],
            "ownership_verifiers": [{"issuer": VERIFIER, "jwks_file": self._public(OWNERSHIP_VERIFIER)}],
            "server_names": {SERVER_NAME: self._at.of("homeserver")},
        }

    def _session(self, client_id: str, localpart: str) -> dict[str, object]:
        store = self._folder.databases / f"{client_id}-store"
        store.mkdir(parents=True, exist_ok=True, mode=0o700)
        return {
            "homeserver": self._at.of("homeserver"),
            "user_id": f"@{localpart}:{SERVER_NAME}",
            "client_id": client_id,
            "key_file": self._private(client_id),
            "store_directory": str(store),
            "store_key_file": self._secret(f"{client_id}-store-key"),
        }

    def _machine(self, client_id: str, component: str) -> dict[str, object]:
        return {"url": self._at.of(component), "client_id": client_id, "key_file": self._private(client_id)}

    def _bot(self) -> dict[str, object]:
        teams: Sequence[dict[str, Any]] = _example("bridge_bot.yaml")["teams"]
        agents = [f"@agent.{agent.preferred_username}:{SERVER_NAME}" for agent in AGENTS]
        return {
            "public_url": self._at.of("bot"),
            "signing_key_file": self._private("bot-signing"),
            "session": self._session("bot", SUPPORT_LOCALPART),
            "homeserver_machine": self._machine("bot", "homeserver"),
            "clients": [self._client("retention", "erasure:act")],
            "teams": [{**team, "agents": agents} for team in teams],
            # The story plays years that are to come.
            "erasure_minimum_age_years": None,
        }

    def _retention(self) -> dict[str, object]:
        return {
            "session": self._session("retention", SERVICE_LOCALPART),
            "homeserver_machine": self._machine("retention", "homeserver"),
            "bot": self._machine("retention", "bot"),
        }
