"""Customers: their weight in a fair share, and their quotas."""

from __future__ import annotations

from typing import Any

from empq.store.keys import key
from empq.store.record import CustomerRecord
from empq.store.store import Store


class Customers:
    """A customer needs no registration: one that nobody named has weight 1 and no quota."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def set(
        self, name: str, *, weight: int | None, max_active: int | None, max_queued: int | None
    ) -> dict[str, Any]:
        """Sets what is stated (None: as it was; -1: no quota any more); the customer afterwards."""
        stated = ["" if value is None else value for value in (weight, max_active, max_queued)]
        await self._store.calls.run("set_customer", [name, *stated])
        return await self.view(name)

    async def view(self, name: str) -> dict[str, Any]:
        """One customer as the API shows it."""
        return _view(name, (await self._store.customers([name]))[0])

    async def views(self) -> list[dict[str, Any]]:
        """All customers with settings of their own, by name."""
        names = sorted(
            name.decode() for name in await self._store.command("SMEMBERS", key("customers"))
        )
        return [
            _view(name, record)
            for name, record in zip(names, await self._store.customers(names), strict=True)
        ]


def _view(name: str, record: CustomerRecord) -> dict[str, Any]:
    return {
        "customer_id": name,
        "weight": record.weight,
        "max_active": record.max_active if record.max_active >= 0 else None,
        "max_queued": record.max_queued if record.max_queued >= 0 else None,
        "active": record.active,
        "waiting": record.waiting,
        "queued": record.queued,
    }
