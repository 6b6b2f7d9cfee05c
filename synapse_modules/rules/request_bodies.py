"""What is looked at in a client's request before Synapse reads it: what it would fail on, and places for words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from synapse_modules.rules.identifiers import is_device_id
from synapse_modules.rules.public_keys import is_cross_signing_key, is_device_keys, is_one_time_keys

_Form = Callable[[object], bool]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _whole_number(value: object) -> bool:
    return type(value) is int


def _map(value: object) -> bool:
    return isinstance(value, Mapping)


def _nothing(_value: object) -> bool:
    return False


def _or_null(form: _Form) -> _Form:
    return lambda value: value is None or form(value)


def _list_of(form: _Form) -> _Form:
    return lambda value: isinstance(value, list) and all(map(form, value))


def _map_of(form: _Form) -> _Form:
    return lambda value: isinstance(value, Mapping) and all(map(form, value.values()))


def _keys(form: _Form, *keys: str) -> dict[str, _Form]:
    return dict.fromkeys(keys, form)


def _object(forms: Mapping[str, _Form]) -> _Form:
    """An object whose keys, if they are there, have a form."""
    return lambda body: isinstance(body, Mapping) and all(form(body[key]) for key, form in forms.items() if key in body)


_ROOM = r"(?:r0|v\d+|unstable|api/v1)/rooms/[^/]+/"
_ANY = r"(?:r0|v\d+|unstable)/"
_FORMS: tuple[tuple[str, _Form], ...] = (
    (_ROOM + r"(?:invite|kick|ban|unban)", _object(_keys(_text, "user_id"))),
    (_ROOM + r"read_markers", _object(_keys(_or_null(_text), "m.read", "m.fully_read", "m.read.private"))),
    (_ROOM + r"typing/.+", _object(_keys(_whole_number, "timeout"))),
    (_ROOM + r"state/m\.room\.aliases.*", _object(_keys(_list_of(_text), "aliases"))),
    (_ROOM + r"state/m\.room\.create.*", lambda body: isinstance(body, Mapping) and _text(body.get("room_version"))),
    # What a client calls its device stands beside everything that it sends.
    (_ANY + r"login", _object(_keys(_or_null(is_device_id), "device_id"))),
    # Members are sent as state.
    (_ROOM + r"send/m\.room\.member.*", _nothing),
    (_ANY + r"user_directory/search", _object(_keys(_whole_number, "limit"))),
    (
        _ANY + r"publicRooms",
        _object(_keys(_whole_number, "limit") | _keys(_or_null(_text), "third_party_instance_id")),
    ),
    (
        _ANY + r"keys/upload.*",
        _object(
            _keys(_or_null(is_device_keys), "device_keys")
            | _keys(_or_null(is_one_time_keys), "one_time_keys", "fallback_keys")
        ),
    ),
    (_ANY + r"keys/signatures/upload", _map_of(_map_of(_map))),
    (
        _ANY + r"keys/device_signing/upload",
        _object(_keys(_or_null(is_cross_signing_key), "master_key", "self_signing_key", "user_signing_key")),
    ),
    (r"(?:r0|v\d+)/keys/claim", _object(_keys(_map_of(_map_of(_text)), "one_time_keys"))),
    (r"unstable/keys/claim", _object(_keys(_map_of(_map), "one_time_keys"))),
    (_ANY + r"search", _object(_keys(_map, "search_categories"))),
    (_ANY + r"user/[^/]+/filter", _object(_keys(_map, "room"))),
    (
        _ANY + r"pushers/set",
        _object(
            _keys(_or_null(_text), "kind")
            | _keys(_text, "app_id", "pushkey", "lang", "profile_tag")
            | _keys(_map, "data")
        ),
    ),
)
_READ = tuple((re.compile(path), form) for path, form in _FORMS)
_CLIENT = "/_matrix/client/"


def is_readable(path: str, body: object) -> bool:
    """Whether a client's request has the form without which Synapse would fail, as Matrix describes it.

    Args:
        path: of the request, without its query.
        body: what its JSON says.
    """
    if not path.startswith(_CLIENT):
        return True
    called = path.removeprefix(_CLIENT)
    return all(form(body) for pattern, form in _READ if pattern.fullmatch(called))


def is_text(body: object) -> bool:
    """Whether everything that a body says can be written down: JSON also names halves of letters that nothing takes."""
    if isinstance(body, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in body)
    if isinstance(body, Mapping):
        return all(is_text(key) and is_text(value) for key, value in body.items())
    return not isinstance(body, list) or all(map(is_text, body))
