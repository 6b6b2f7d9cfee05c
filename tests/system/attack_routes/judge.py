"""The judge: casts an attempt, lets it happen, and looks with the victim's eyes whether she was reached."""

from __future__ import annotations

import json
import secrets
from typing import Any

from tests.synapse_modules.federation import Federation
from tests.system.attack_routes.people import BareScene, Cast, Scene, SceneOfOurs, call, look, publish_keys, rooms_of
from tests.system.attack_routes.table import Control, Route

TOLD, WORDS, FACE, ROOM = "told of her", "words shown", "person shown", "common room"


async def signs_of_attack(federation: Federation, route: Route, *, on_bare: bool = False) -> set[str]:
    """By what an insured person is reached by another one; nothing if she is not."""
    scene = BareScene(federation) if on_bare else SceneOfOurs(federation)
    return await _happens(route, await _cast(scene, route.home))


async def signs_of_control(federation: Federation, route: Route) -> set[str]:
    """The same attempt between parties who may."""
    match route.control:
        case Control.BARE:
            return await signs_of_attack(federation, route, on_bare=True)
        case Control.PERMITTED:
            return await _happens(route, await _cast(SceneOfOurs(federation), route.home, victim="practice"))
        case Control.ACQUAINTED:
            cast = await _cast(SceneOfOurs(federation), route.home, victim="practice")
            await cast.chat_of(cast.attacker, cast.victim)
            # They are seen by each other already: what counts is what the attempt adds.
            return await _happens(route, cast) & {TOLD, WORDS}
        case Control.INSIDE:
            cast = await _cast(SceneOfOurs(federation), route.home, attacker="practice")
            cast.chat = await cast.chat_of(cast.victim, cast.attacker)
            return await _happens(route, cast) & {TOLD, WORDS}
        case Control.LISTED:
            return await _happens(route, await _cast(SceneOfOurs(federation), "hostile"))
        case Control.LISTED_ACQUAINTED:
            cast = await _cast(SceneOfOurs(federation), "hostile")
            await cast.scene.opt_in(cast.outsider)
            assert await cast.opens(cast.outsider, who=cast.victim), cast.answers
            cast.answers.clear()
            return await _happens(route, cast) & {TOLD, WORDS}


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
        marker=f"words{secrets.token_hex(8)}",
        secrets={name, key, suffers.device_id},
        faces={attacks.user_id, outsider},
        since=before["next_batch"],
    )


async def _happens(route: Route, cast: Cast) -> set[str]:
    await route.attempt(cast)
    before = await look(cast.scene, cast.victim, cast.since)
    signs = _signs(cast, before)
    # She is as trusting as can be: whatever she is invited to, she accepts.
    for room_id in _rooms(before, "invite"):
        await cast.enters(cast.victim, room_id)
    after = await look(cast.scene, cast.victim, cast.since)
    signs |= _signs(cast, after)
    hers = _rooms(after, "join") | _rooms(after, "invite") | _rooms(before, "invite")
    if hers & await rooms_of(cast.scene, cast.attacker):
        signs.add(ROOM)
    answered = json.dumps(cast.answers)
    if any(secret in answered for secret in cast.secrets):
        signs.add(TOLD)
    return signs


def _rooms(seen: dict[str, Any], membership: str) -> set[str]:
    return set(seen["sync"].get("rooms", {}).get(membership, {}))


def _signs(cast: Cast, seen: dict[str, Any]) -> set[str]:
    shown = json.dumps(seen)
    signs = {FACE} if any(face in shown for face in cast.faces) else set()
    return signs | ({WORDS} if cast.marker in shown else set())
