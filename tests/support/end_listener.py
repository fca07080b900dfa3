"""Counts the ends of jobs that a hub tells its clients."""

from __future__ import annotations

import threading

from tests.support.invariants import END_EVENTS
from tests.support.processes import Hub
from tests.support.random_history import Promises


class Listener:
    """Counts the ends that a hub tells."""

    def __init__(self, hub: Hub, promises: Promises) -> None:
        self._socket, self._promises = hub.socket("/ws/client"), promises
        self._socket.ask("subscribe_job_notifications", "job_notifications_subscribed", filters={})
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        for message in self._socket.messages():
            if message["type"] in END_EVENTS:
                self._promises.note(
                    lambda message=message: self._promises.ends.update([message["job_id"]])
                )

    def close(self) -> None:
        self._socket.break_off()
        self._thread.join()
