"""The data set's own record: its identity, and the settings that are kept with the data (contract.md, "Settings")."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from empq.errors import StartRefused
from empq.settings import (
    DEFAULT_ACCEPT_SECONDS,
    DEFAULT_FIT,
    DEFAULT_LEASE_SECONDS,
    DEFAULT_ORDER,
    DEFAULT_WEIGHTS,
    Settings,
    without_password,
)
from empq.store.calls import ScriptCalls


class Dataset(msgspec.Struct):
    """What the data set says of itself; settings in force for every hub on it."""

    id: str
    epoch: int
    number: int
    lease_ms: int
    accept_ms: int
    order: str
    ageing_ms: int
    fit: str
    weights: tuple[int, ...]


class Kept(NamedTuple):
    """One setting kept with the data: its field there, how a stated value is written, its default."""

    field: str
    write: Callable[[object], str]
    default: object


def _ms(seconds: object) -> str:
    return str(round(float(str(seconds)) * 1000))


KEPT: dict[str, Kept] = {
    "lease_seconds": Kept("lease_ms", _ms, DEFAULT_LEASE_SECONDS),
    "accept_seconds": Kept("accept_ms", _ms, DEFAULT_ACCEPT_SECONDS),
    "order": Kept("order", str, DEFAULT_ORDER),
    "ageing_interval_ms": Kept("ageing_ms", str, 0),
    "fit": Kept("fit", str, DEFAULT_FIT),
    "weights": Kept("weights", str, DEFAULT_WEIGHTS),
}


async def open_dataset(calls: ScriptCalls, settings: Settings, expected: str = "") -> Dataset:
    """Reads the record, makes it where there is none, writes stated settings where that is asked for.

    Raises StartRefused where a stated setting is another than the data's, or the data another than `expected`.
    """
    if settings.weights is not None and sum(map(int, settings.weights.split(","))) != 100:
        raise StartRefused(f"weights = {settings.weights!r}: seven weights that sum to 100")
    rows = [
        [
            kept.field,
            "" if getattr(settings, name) is None else kept.write(getattr(settings, name)),
            kept.write(kept.default),
        ]
        for name, kept in KEPT.items()
    ]
    token, answer, *_ = await calls.run(
        "open_dataset", [secrets.token_hex(16), rows, int(settings.change_settings), expected]
    )
    if token == "other_dataset":
        found = f"data set {answer[0]}" if answer[0] else "no empq data"
        raise StartRefused(
            f"{without_password(settings.redis_url)} holds {found}, and this hub has served data set {expected} "
            "before: Redis was emptied or replaced. Put the data back, or start once with --accept-dataset"
        )
    if token != "ok":
        raise StartRefused(_refusal(token, *answer))
    identifier, epoch, number, values, changed = answer
    dataset = _dataset(identifier, epoch, number, dict(values))
    if changed:
        await calls.run("announce_settings", [])
    return dataset


async def reread(calls: ScriptCalls, settings: Settings) -> Dataset:
    """The record again, after another hub has written settings: what this hub was told no longer counts."""
    untold = msgspec.structs.replace(settings, change_settings=False, **dict.fromkeys(KEPT))
    return await open_dataset(calls, untold, calls.dataset_id.decode())


def _dataset(identifier: str, epoch: int, number: int, values: dict[str, str]) -> Dataset:
    return Dataset(
        identifier, epoch, number, int(values["lease_ms"]), int(values["accept_ms"]), values["order"],
        int(values["ageing_ms"]), values["fit"], tuple(int(part) for part in values["weights"].split(",")),
    )  # fmt: skip


def _refusal(token: str, field: str, kept: str, stated: str) -> str:
    if token == "ageing_with_order":
        return (
            f"ageing_interval_ms = {kept} and order = {stated}: ageing goes with the order fifo alone; "
            "change one of them with --change-settings"
        )
    name = next(name for name, setting in KEPT.items() if setting.field == field)
    seconds = name.endswith("_seconds")
    was, wanted = (
        (f"{int(kept) / 1000:g}", f"{int(stated) / 1000:g}") if seconds else (kept, stated)
    )
    if token == "jobs_are_queued":
        return f"{name} can be changed from {was} to {wanted} only while nothing is queued"
    return (
        f"{name} is {was} in the data and {wanted} was stated; "
        "leave it out, or write it to the data with --change-settings"
    )
