"""What waits to go to the hub: the messages of this tick, and the reports that nobody has acknowledged yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from empq.worker.wire import (
    AttemptKey,
    CompleteJob,
    FailJob,
    JobAcceptedByWorker,
    Outbound,
    ReleaseJob,
    UpdateJobProgress,
    encode,
)

Report = CompleteJob | FailJob | ReleaseJob


class Outbox:
    """Messages of one tick leave as one frame; a report stays until it is settled."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._messages: list[bytes] = []
        self._accepts: dict[AttemptKey, JobAcceptedByWorker] = {}
        self._progress: dict[AttemptKey, UpdateJobProgress] = {}
        self._unsettled: dict[AttemptKey, Report] = {}

    def send(self, message: Outbound) -> None:
        """Once, if there is a connection."""
        self._messages.append(encode(message))
        self._wake()

    def accept(self, key: AttemptKey, message: JobAcceptedByWorker) -> None:
        """Left out where the same tick says more about the attempt: progress and reports imply it."""
        self._accepts[key] = message
        self._wake()

    def progress(self, key: AttemptKey, message: UpdateJobProgress) -> None:
        """The latest of the tick wins."""
        self._accepts.pop(key, None)
        self._progress[key] = message
        self._wake()

    def report(self, key: AttemptKey, message: Report) -> None:
        """Sent now and after every reconnect until it is settled."""
        self._accepts.pop(key, None)
        self._unsettled[key] = message
        self._queue_report(key, message)

    def repeat(self, key: AttemptKey) -> None:
        """Sends a report again that the hub could not take the first time."""
        if (message := self._unsettled.get(key)) is not None:
            self._queue_report(key, message)

    def settled(self, key: AttemptKey) -> Report | None:
        """The hub has answered: the report is not sent again."""
        return self._unsettled.pop(key, None)

    def key_of_job(self, job_id: str) -> AttemptKey | None:
        """The unsettled report of a job, for an answer that names no attempt."""
        return next((key for key in self._unsettled if key.job_id == job_id), None)

    def unsettled(self) -> Iterator[AttemptKey]:
        """The attempts whose reports still wait for an answer."""
        return iter(self._unsettled)

    def __contains__(self, key: AttemptKey) -> bool:
        return key in self._unsettled

    def __len__(self) -> int:
        return len(self._unsettled)

    def begin_connection(self) -> None:
        """Forgets what was meant for the last connection and queues every unsettled report."""
        self._messages.clear()
        self._accepts.clear()
        self._progress.clear()
        for key, message in self._unsettled.items():
            self._queue_report(key, message)

    def take(self) -> list[bytes]:
        """Everything that is due: accepts, then progress, then the rest in order."""
        if not self._accepts and not self._progress:
            due, self._messages = self._messages, []
            return due
        due = [encode(message) for message in self._accepts.values()]
        due += [encode(message) for message in self._progress.values()]
        due += self._messages
        self._messages = []
        self._accepts.clear()
        self._progress.clear()
        return due

    def _queue_report(self, key: AttemptKey, message: Report) -> None:
        # Progress that is still unsent must not follow the end of its attempt.
        if (progress := self._progress.pop(key, None)) is not None:
            self._messages.append(encode(progress))
        self._messages.append(encode(message))
        self._wake()
