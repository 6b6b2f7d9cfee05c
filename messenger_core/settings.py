"""Settings of a component: one YAML file, checked at start, each fault one clear line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, TypeVar, get_args
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from messenger_core.client_address import LOOPBACK
from messenger_core.yaml_text import read_yaml

_SHOWN_VALUE_LENGTH = 80
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PASSWORD = re.compile(r"(//[^/@:]*:).*@|([?#]).*(?=['\"])")


class SettingsError(Exception):
    """The settings cannot be used; the text is one line a fault, ready to be shown to an operator."""


class Settings(BaseModel):
    """Base of every settings model: unknown keys are faults, values are frozen, secrets are files."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _existing_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("no such file; give the path of an existing, readable file")
    if not os.access(path, os.R_OK):
        raise ValueError("the file cannot be read by this user")
    return path


def _loopback_or_https(url: str) -> str:
    parts = urlsplit(url)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("an address without user, query and fragment is needed")
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        return url.rstrip("/")
    raise ValueError("an https:// address is needed; plain http:// is allowed on loopback only")


def _database_url(url: str) -> str:
    if re.match(r"\w+://[^/@]*:[^/]*@", url) or "?" in url or "#" in url:
        raise ValueError("a password or option does not belong here; a password stands in the file of PGPASSFILE")
    if re.fullmatch(r"sqlite:///.+|postgresql://[^/]*/.+", url):
        return url
    raise ValueError("allowed are sqlite:///PATH and postgresql://USER@HOST:PORT/NAME")


def _user_id(value: str) -> str:
    localpart, separator, server = value.removeprefix("@").partition(":")
    if not (value.startswith("@") and localpart and separator and server):
        raise ValueError("a Matrix user id is needed, like @name:server.example")
    return value


def _listen_host(host: str) -> str:
    if host == "localhost":
        return host
    try:
        ip_address(host)
    except ValueError:
        raise ValueError("an IP address of this machine is needed, such as 127.0.0.1, ::1 or 0.0.0.0") from None
    return host


def _secret_file(path: Path) -> Path:
    if not path.read_text(encoding="utf-8", errors="replace").strip():
        raise ValueError("the secret file is empty")
    return path


ExistingFile = Annotated[Path, AfterValidator(_existing_file)]
"""A file that must be there at start, such as a key."""
SecretFile = Annotated[ExistingFile, AfterValidator(_secret_file)]
"""A file that holds a secret as text."""
BaseUrl = Annotated[str, AfterValidator(_loopback_or_https)]
"""An https address, or http on loopback; without a slash at its end."""
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
"""``sqlite:///PATH`` or ``postgresql://…``; a password belongs into ``PGPASSFILE``, never into the URL."""
UserId = Annotated[str, AfterValidator(_user_id)]
"""A full Matrix user id."""


class ListenAddress(Settings):
    """Where a component's HTTP server listens, and whose word on the address of a client counts there.

    Attributes:
        trusted_proxies: addresses or networks; for these alone ``X-Forwarded-For`` is read.
    """

    host: Annotated[str, AfterValidator(_listen_host)] = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = LOOPBACK


_Model = TypeVar("_Model", bound=BaseModel)


def _allowed(model: type[BaseModel], location: tuple[str | int, ...]) -> str:
    """What may stand where an unknown key stood."""
    current: type[BaseModel] | None = model
    for step in location[:-1]:
        if current is None:
            return ""
        field: FieldInfo | None = current.model_fields.get(str(step)) if isinstance(step, str) else None
        if field is not None:
            candidates = [field.annotation, *get_args(field.annotation)]
            current = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    return f"; allowed here: {', '.join(sorted(current.model_fields))}" if current else ""


def _fault(model: type[BaseModel], error: Mapping[str, object]) -> str:
    location = error["loc"]
    assert isinstance(location, tuple)
    key = ".".join(str(step) for step in location)
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "value_error" and isinstance(error["input"], dict):
        # A rule about several keys; its text names them, and the whole section would only hide it.
        return f"{key}: {message}" if key else message
    key = key or "(the whole file)"
    if error["type"] == "missing":
        return f"{key}: is missing; it has no default"
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key{_allowed(model, location)}"
    value = _PASSWORD.sub(r"\1\2…", repr(error["input"]))
    if len(value) > _SHOWN_VALUE_LENGTH:
        value = value[:_SHOWN_VALUE_LENGTH] + "…"
    return f"{key}: {value} is not allowed: {message}"


def check_settings(model: type[_Model], values: object, *, source: str) -> _Model:
    """Checks values that were read elsewhere, e.g. by Synapse.

    Args:
        model: the settings model.
        values: what was read.
        source: the file's name, for the message.

    Raises:
        SettingsError: one line a fault, each with the key, the value and what is allowed.
    """
    try:
        return model.model_validate(values)
    except ValidationError as faults:
        lines = [_fault(model, dict(error)) for error in faults.errors(include_url=False)]
        raise SettingsError("\n".join(f"{source}: {line}" for line in lines)) from None


def load_settings(model: type[_Model], path: Path) -> _Model:
    """Reads and checks a component's YAML file.

    Raises:
        SettingsError: if the file is missing, is not YAML, or a value is not allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise SettingsError(f"{path}: cannot be read ({fault.strerror}); give the path of the settings file") from None
    try:
        values = read_yaml(text)
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{path}: is not valid YAML{where}") from None
    return check_settings(model, {} if values is None else values, source=path.name)


def read_secret(path: Path) -> str:
    """The content of a secret file without the line break at its end.

    Raises:
        SettingsError: if the file is empty.
    """
    secret = path.read_text(encoding="utf-8").strip()
    if not secret:
        raise SettingsError(f"{path}: the secret file is empty")
    return secret
