"""What identifiers and keys look like that people's clients send in clear: what has its form is nobody's sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Form = Callable[[object], bool]


def is_like(pattern: str) -> Form:
    """A text all of which matches a regular expression."""
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


# Rooms of version 4 and later: a hash in URL-safe base64.
is_event_id = is_like(r"\$[A-Za-z0-9_-]{43}")
# Curve25519, Ed25519 and the id of a Megolm session: 32 bytes in base64 without padding (vodozemac and libolm).
is_key = is_like(r"[A-Za-z0-9+/]{43}")
is_base64 = is_like(r"[A-Za-z0-9+/_-]+=*")
# Ten capital letters of Synapse's, or what a client chose for itself when it signed in.
is_device_id = is_like(r"[A-Za-z0-9_+/=.-]{1,64}")
# The random number by which a service account recognises what it sent (messenger_core/matrix).
is_sending_id = is_like(r"[0-9a-f]{32}")
# A name of Matrix's: of an algorithm, a method, a code.
is_name = is_like(r"[A-Za-z0-9._-]{1,64}")
# What clients make up by rules of their own, such as transactions and requests.
is_token = is_like(r"[!-~]{1,255}")


def is_whole_number(value: object) -> bool:
    """A number without a fraction; JSON's ``true`` is none."""
    return type(value) is int


def is_list_of(form: Form) -> Form:
    """A list all of whose items have a form."""
    return lambda value: isinstance(value, list) and all(map(form, value))


def is_map_of(key: Form, form: Form) -> Form:
    """An object whose keys and values each have a form."""
    return lambda value: isinstance(value, Mapping) and all(map(key, value)) and all(map(form, value.values()))


def is_object(forms: Mapping[str, Form]) -> Form:
    """An object that has none but some keys, each of which, if it is there, has a form."""
    return lambda value: isinstance(value, Mapping) and all(key in forms and forms[key](value[key]) for key in value)
