"""Draws from a seed what is killed, when, and for how long it stays away: the same seed gives the same plan."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class Victim(StrEnum):
    """What is killed."""

    SERVICE = "service"
    HOMESERVER = "homeserver"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill.

    Attributes:
        after: how much of the traffic has passed before it, in messages of both directions.
        delay_s: how much later, so that it hits any instant of what goes on between two messages.
        victim: what is killed.
        away_s: how long it stays away.
        again_after_s: how soon the service is killed once more while it starts; None for once only.
    """

    after: int
    delay_s: float
    victim: Victim
    away_s: float
    again_after_s: float | None


def draw_kills(seed: int, *, kills: int, messages: int) -> list[Kill]:
    """A plan of so many kills, in the order of their moments.

    Args:
        seed: repeats a plan.
        kills: how many.
        messages: how many messages flow, of both directions together; the kills are spread over all of them.
    """
    chance = random.Random(seed)
    moments = sorted(chance.randrange(1, max(2, int(messages * 0.95))) for _ in range(kills))
    return [_draw(chance, after) for after in moments]


def _draw(chance: random.Random, after: int) -> Kill:
    victim = chance.choices(list(Victim), weights=(5, 3, 2))[0]
    restarts_twice = victim is not Victim.HOMESERVER and chance.random() < 0.2
    return Kill(
        after=after,
        delay_s=chance.uniform(0, 0.5),
        victim=victim,
        away_s=chance.choice((0.0, chance.uniform(0, 2))),
        again_after_s=chance.uniform(0.2, 2.5) if restarts_twice else None,
    )
