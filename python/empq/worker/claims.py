"""Asking for work: at most one claim at a time, for the slots that are free."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from empq.worker.wire import ClaimJob

WAIT_MS = 30_000
LARGEST_CLAIM = 256
#: Below half of the slots free, ends of other runs are waited for this long, so that one claim serves them all.
GATHER_SECONDS = 0.005
#: The pause after a claim that the hub could not serve.
PAUSE_SECONDS = 1.0


class Claims:
    """The state of the one open claim. The same claim_id is asked again where the answer was lost."""

    def __init__(
        self, slots: int, free: Callable[[], int], send: Callable[[ClaimJob], None]
    ) -> None:
        self._slots = slots
        self._free = free
        self._send = send
        self._open: ClaimJob | None = None
        self._received = 0
        self._timer: asyncio.TimerHandle | None = None
        self.paused = False

    def consider(self) -> None:
        """Claims if there is a free slot and no claim is open; call it when a slot became free."""
        free = self._free()
        if self._open is not None or self._timer is not None or self.paused or free <= 0:
            return
        if 2 * free >= self._slots:
            self._claim()
        else:
            self._later(GATHER_SECONDS)

    def is_open(self, reply_to: str | None) -> bool:
        """Whether the answer belongs to the open claim."""
        return self._open is not None and self._open.claim_id == reply_to

    def assigned(self, reply_to: str | None, count: int) -> None:
        """One job of the answer has come."""
        if self.is_open(reply_to):
            self._received += 1
            if self._received >= count:
                self.ended(reply_to)

    def ended(self, reply_to: str | None) -> None:
        """The answer is complete."""
        if self.is_open(reply_to):
            self._open = None

    def refused(self, reply_to: str | None) -> None:
        """The hub could not serve the claim now: the next one comes after a pause."""
        if self.is_open(reply_to):
            self._open = None
            self._later(PAUSE_SECONDS)

    def begin_connection(self) -> None:
        """Asks again for the answer that the last connection lost, else anew."""
        self.cancel_timer()
        self._received = 0
        if self._open is not None and not self.paused:
            self._send(self._open)
        else:
            self._open = None
            self.consider()

    def cancel_timer(self) -> None:
        """No claim comes by itself any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _later(self, seconds: float) -> None:
        self.cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._timer_rang)

    def _timer_rang(self) -> None:
        self._timer = None
        if self._open is None and not self.paused and self._free() > 0:
            self._claim()

    def _claim(self) -> None:
        claim_id = secrets.token_urlsafe(12)
        self._received = 0
        self._open = ClaimJob(
            id=claim_id,
            max_jobs=min(self._free(), LARGEST_CLAIM),
            wait_ms=WAIT_MS,
            claim_id=claim_id,
        )
        self._send(self._open)
