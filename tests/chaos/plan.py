"""A schedule of faults, made from a seed alone: the same seed plays the same faults again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

#: kind, its weight, and how long it lasts (seconds, least and most)
KINDS: tuple[tuple[str, int, float, float], ...] = (
    ("hub killed", 8, 0.0, 0.3),
    ("hub stopped", 3, 0.0, 0.3),
    ("hub frozen", 4, 0.2, 2.5),
    ("redis killed", 3, 0.0, 0.5),
    ("redis frozen", 3, 0.2, 1.5),
    ("link cut", 8, 0.0, 0.0),
    ("link delayed", 3, 0.2, 1.0),
    ("link silent", 4, 0.2, 2.0),
    ("requests held", 3, 0.2, 1.0),
    ("replies lost", 8, 0.02, 0.3),
    ("scripts forgotten", 2, 0.0, 0.0),
    ("log trimmed", 2, 0.0, 0.0),
)


class Fault(NamedTuple):
    """One fault: what, at which hub (for those of hubs and links), for how long, and the quiet before it."""

    kind: str
    hub: int
    seconds: float
    quiet: float


def schedule(seed: str, hubs: int) -> Iterator[Fault]:
    """Faults without end."""
    dice = random.Random(f"faults {seed}")
    kinds = [kind for kind, *_ in KINDS]
    weights = [weight for _, weight, *_ in KINDS]
    lengths = {kind: (least, most) for kind, _, least, most in KINDS}
    while True:
        kind = dice.choices(kinds, weights)[0]
        yield Fault(
            kind,
            dice.randrange(hubs),
            round(dice.uniform(*lengths[kind]), 3),
            round(dice.uniform(0.05, 0.6), 3),
        )
