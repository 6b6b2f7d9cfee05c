"""Signs in whoever has a name in a running sandbox: a person, an agent, a practice or the operator."""

from __future__ import annotations

from pathlib import Path

from messenger_core.service_auth.keys import read_private_key
from sandbox.faults import WrongCommand
from sandbox.headless_sign_in import SignedIn, sign_in
from sandbox.identity_provider.register import read_people
from sandbox.key_sign_in import sign_in_with_key
from sandbox.keys import OPERATOR
from sandbox.people import Agent, Person
from sandbox.running import Folder, Ready


class UnknownName(WrongCommand):
    """Nobody of that name can sign in."""


async def sign_in_by_name(directory: Path, ready: Ready, name: str, device_id: str | None) -> SignedIn:
    """Signs somebody in, each in the way that is theirs.

    Raises:
        UnknownName: with the names that exist.
        SignInRefused: if the sign-in is refused.
    """
    people, agents = read_people(Folder(directory).people_file)
    everybody: dict[str, Person | Agent] = {one.name: one for one in people} | {one.name: one for one in agents}
    if name in everybody:
        return await sign_in(ready.homeserver, everybody[name], device_id)
    if name in ready.practices:
        practice = ready.practices[name]
        user_id, client_id = str(practice["user_id"]), str(practice["telematik_id"])
    elif name == OPERATOR:
        user_id, client_id = f"@{OPERATOR}:{ready.server_name}", OPERATOR
    else:
        names = [*list(ready.people), *ready.agents, *ready.practices, OPERATOR]
        raise UnknownName(f"nobody is called {name!r} here; there are: {', '.join(names)}")
    key = read_private_key(Path(ready.keys[name]))
    return await sign_in_with_key(ready.homeserver, user_id=user_id, client_id=client_id, key=key, device_id=device_id)
