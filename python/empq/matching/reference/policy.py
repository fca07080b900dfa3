"""What an operator chooses: the order of equal priorities, how hardware fits, the score's weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

ORDERS = ("fifo", "score", "fair")
FITS = ("best_fit", "headroom")


class Policy(NamedTuple):
    """The settings that orders and scores depend on.

    weights: service, hardware, load, isolation, performance, location, cost.
    """

    order: str = "fifo"
    fit: str = "best_fit"
    weights: tuple[int, ...] = (35, 25, 15, 10, 5, 5, 5)


def read_policy(order: str, fit: str, weights: Sequence[int]) -> Policy:
    """The policies, checked; ValueError where one is none."""
    if order not in ORDERS:
        raise ValueError(f"order {order!r} is not one of {', '.join(ORDERS)}")
    if fit not in FITS:
        raise ValueError(f"fit {fit!r} is not one of {', '.join(FITS)}")
    given = tuple(weights)
    if len(given) != 7 or sum(given) != 100 or not all(0 <= it <= 100 for it in given):
        raise ValueError(f"weights {given} are not seven numbers of 0..100 that sum to 100")
    return Policy(order, fit, given)
