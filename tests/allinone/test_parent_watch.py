"""A watched child ends with its parent, gently where it can and by force where it does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

CHILD = """
import signal, sys, threading
from empq.allinone import parent_watch
parent_watch.END_SECONDS = 0.05
def ended(*_):
    print("asked to end", flush=True)
    if sys.argv[2] == "gentle":
        sys.exit(0)
signal.signal(signal.SIGTERM, ended)
parent_watch.watch_parent(int(sys.argv[1]))
print("started", flush=True)
while True:
    signal.pause()
"""


@contextmanager
def watched_child(manner: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    watched, held = os.pipe()
    process = subprocess.Popen(
        (sys.executable, "-c", CHILD, str(watched), manner),
        pass_fds=(watched,),
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(watched)
    assert process.stdout
    assert process.stdout.readline() == "started\n"
    try:
        yield process, held
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(("manner", "code"), [("gentle", 0), ("deaf", -signal.SIGKILL)])
def test_the_end_of_the_pipe_ends_the_child(manner: str, code: int) -> None:
    with watched_child(manner) as (process, held):
        assert process.poll() is None

        os.close(held)

        assert process.stdout
        assert process.stdout.readline() == "asked to end\n"
        assert process.wait(30) == code
