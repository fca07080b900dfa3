"""Why a worker process ends other than by its own wish."""

from __future__ import annotations


class WorkerExit(Exception):
    """The process must end; the text is the whole message, `code` the exit status."""

    code = 1


class Replaced(WorkerExit):
    """A newer registration of the same worker id took over."""


class RegistrationRefused(WorkerExit):
    """The hub does not take what this worker says of itself."""

    code = 2


class NotAllowed(WorkerExit):
    """The hub does not accept the token."""

    code = 4
