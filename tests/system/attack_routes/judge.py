"""The judge: casts an attempt, lets it happen, and looks with the victim's eyes whether she was reached."""

from __future__ import annotations

import json
import secrets
from typing import Any

from tests.synapse_modules.federation import Federation
from tests.system.attack_routes.people import BareScene, Cast, Scene, SceneOfOurs, call, look, publish_keys, rooms_of
from tests.system.attack_routes.table import Control, Route, Sign

_IN_A_COMMON_ROOM = frozenset({Sign.TOLD, Sign.WORDS, Sign.MOMENT})
"""What an attempt adds between people who see each other already."""
_ACQUAINTED = frozenset({Control.ACQUAINTED, Control.INSIDE, Control.LISTED_ACQUAINTED, Control.LISTED_INSIDE})


class Judge:
    """Has routes walked on the homeservers that are up; several may be walked at once."""

    def __init__(self, federation: Federation) -> None:
        self._federation = federation
        self._ours, self._bare = SceneOfOurs(federation), BareScene(federation)

    async def attack(self, route: Route, scene: Scene | None = None) -> set[Sign]:
        """By what an insured person is reached by another one; nothing if she is not.

        Args:
            route: what is tried.
            scene: where, if not on our homeserver.
        """
        return await _happens(route, await _cast(scene or self._ours, route.home))

    async def control(self, route: Route) -> set[Sign]:
        """What is at stake, of the same attempt between parties who may."""
        match route.control:
            case Control.BARE:
                cast = await _cast(self._bare, route.home)
            case Control.PERMITTED:
                cast = await _cast(self._ours, route.home, victim="practice")
            case Control.LISTED:
                cast = await _cast(self._ours, "hostile")
            case _:
                cast = await self._in_a_common_room(route)
        signs = await _happens(route, cast)
        added = _IN_A_COMMON_ROOM if route.control in _ACQUAINTED else signs
        return signs & added & route.at_stake(cast)

    async def _in_a_common_room(self, route: Route) -> Cast:
        match route.control:
            case Control.ACQUAINTED:
                cast = await _cast(self._ours, route.home, victim="practice")
                await cast.chat_of(cast.attacker, cast.victim)
            case Control.INSIDE:
                cast = await _cast(self._ours, route.home, attacker="practice")
                cast.chat = await cast.chat_of(cast.victim, cast.attacker)
            case _:
                cast = await _cast(self._ours, "hostile")
                await cast.scene.opt_in(cast.outsider)
                cast.chat = await cast.opens(cast.outsider, who=cast.victim)
                if route.control is Control.LISTED_INSIDE:
                    await cast.home.join(cast.chat, cast.outsider)
        assert not cast.answers or cast.chat, cast.answers
        cast.answers.clear()
        return cast


async def _cast(scene: Scene, home: str, *, attacker: str = "person", victim: str = "person") -> Cast:
    name = f"Name-{secrets.token_hex(6)}"
    server = getattr(scene.federation, home).against(scene.server_name)
    attacks = await (scene.person("Mallory") if attacker == "person" else scene.practice("Praxis"))
    suffers = await (scene.person(name) if victim == "person" else scene.practice(name))
    key = await publish_keys(scene, suffers)
    outsider = server.user(f"mallory-{secrets.token_hex(4)}")
    _, before = await call(scene, suffers, "GET", "/sync?timeout=0")
    return Cast(
        scene=scene,
        attacker=attacks,
        victim=suffers,
        home=server,
        outsider=outsider,
        words=f"words{secrets.token_hex(8)}",
        secrets={name, key, suffers.device_id},
        faces={attacks.user_id, outsider},
        since=before["next_batch"],
    )


async def _happens(route: Route, cast: Cast) -> set[Sign]:
    await route.attempt(cast)
    await cast.scene.settles()
    before = await look(cast.scene, cast.victim, cast.since)
    signs = _signs(cast, before | {"on the way": cast.shown})
    # She is as trusting as can be: whatever she is invited to, she accepts.
    for room_id in _rooms(before, "invite"):
        await cast.enters(cast.victim, room_id)
    after = await look(cast.scene, cast.victim, cast.since)
    signs |= _signs(cast, after)
    hers = _rooms(after, "join") | _rooms(after, "invite") | _rooms(before, "invite")
    if hers & await rooms_of(cast.scene, cast.attacker):
        signs.add(Sign.ROOM)
    answered = json.dumps(cast.answers)
    if cast.has_learned or any(secret in answered for secret in cast.secrets):
        signs.add(Sign.TOLD)
    return signs


def _rooms(seen: dict[str, Any], membership: str) -> set[str]:
    return set(seen["sync"].get("rooms", {}).get(membership, {}))


def _signs(cast: Cast, seen: dict[str, Any]) -> set[Sign]:
    def shows(part: object, *looked_for: str) -> bool:
        shown = json.dumps(part)
        return any(one in shown for one in looked_for)

    rooms = seen["sync"].get("rooms", {}).get("join", {}).values()
    moments = [seen["sync"].get("presence"), *(room.get("ephemeral") for room in rooms)]
    signs = {
        Sign.FACE: shows(seen, *cast.faces),
        Sign.WORDS: shows(seen, cast.words),
        Sign.MOMENT: shows(moments, *cast.faces),
    }
    return {sign for sign, is_there in signs.items() if is_there}
