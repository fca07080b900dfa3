"""Standard input, output and error in whatever state a program gets them: closed, a pipe that ends, any encoding."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper


def keep_standard_descriptors() -> None:
    """Opens what of 0, 1 and 2 is closed: a pipe or lock that landed there would be taken for it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def tolerate_any_encoding() -> None:
    """What a terminal or pipe cannot show is replaced instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def forget_closed_output() -> None:
    """After a reader such as `head` has gone: nothing more is written, not even at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
