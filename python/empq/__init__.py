"""empq: a job queue for fleets of unequal GPU machines."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("empq")
except PackageNotFoundError:  # running from a source tree that is not installed
    __version__ = "0.0.0"
