"""One Redis for one data folder: started, shared, taken over after a crash, stopped by its last user.

Three files lock, so that the kernel itself undoes what a killed process held:
  up.lock     held by the process that owns the folder; a second owner is refused.
  users.lock  shared, inherited by the owner's children: until they have all ended their folder is not free.
  redis.pid   held by the server through an inherited descriptor, from before its first instruction to its end:
              there can never be two servers on one folder, whoever was killed when. Content: pid, socket.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from empq.allinone.redis_files import (
    configuration,
    default_maxmemory,
    private_folder,
    server_binary,
    socket_folder,
)
from empq.errors import StartRefused
from empq.settings_sources import environment

CHILDREN_END_SECONDS = 15.0
ANSWER_SECONDS = 10.0
LOADING_SECONDS = 600.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.005


class EmbeddedRedis:
    """A Redis or Valkey server of its own on a unix socket, its data in `folder`.

    maxmemory: bytes; by default half of the machine's memory, at most 4 GiB.
    """

    def __init__(self, folder: Path, maxmemory: int | None = None) -> None:
        self.folder = folder.expanduser().absolute()
        self.maxmemory = maxmemory or default_maxmemory()
        self.socket = Path()
        self.pid = 0
        self.taken_over = False
        self._owner: int | None = None
        self._users: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        #: whether each write is synced before it is answered, not once a second
        self.syncs_always = False

    def __enter__(self) -> EmbeddedRedis:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address for --redis."""
        return f"unix://{quote(str(self.socket))}"

    @property
    def users_lock(self) -> int:
        """The descriptor that the owner's children inherit: they count as users until they end."""
        if self._users is None:
            raise RuntimeError("the folder is not claimed")
        return self._users

    def claim(self) -> None:
        """Makes this process the folder's owner; waits for what a killed owner's children still do.

        Raises StartRefused where another process owns it. start() does it too.
        """
        if self._owner is not None:
            return
        private_folder(self.folder)
        self.folder = self.folder.resolve()
        owner = _open(self.folder / "up.lock")
        if not _locked(owner, fcntl.LOCK_EX):
            pid = os.pread(owner, 20, 0).decode(errors="replace").strip()
            os.close(owner)
            raise StartRefused(
                f"{self.folder} is in use by another `empq up` (process {pid}): "
                "stop that one, or choose another folder with --data"
            )
        _write(owner, str(os.getpid()))
        self._owner = owner
        users = _open(self.folder / "users.lock")
        if not _within(CHILDREN_END_SECONDS, lambda: _locked(users, fcntl.LOCK_EX)):
            os.close(users)
            self._forget_owner()
            raise StartRefused(
                f"{self.folder}: a hub or a worker of an earlier `empq up` is still ending; try again"
            )
        fcntl.flock(users, fcntl.LOCK_SH)
        self._users = users

    def start(self) -> str:
        """Starts the server, or takes over the living one; returns its address once it answers."""
        self.claim()
        try:
            self._ensure()
        except BaseException:
            self.stop()
            raise
        return self.url

    def revive(self) -> bool:
        """Starts the server again where it has ended; says whether it had."""
        if self._process is not None:
            self._process.poll()
        lock = _open(self.folder / "redis.pid")
        ended = _locked(lock, fcntl.LOCK_EX)
        os.close(lock)
        if ended:
            self._ensure()
        return ended

    def stop(self) -> None:
        """Waits for the other users to end, stops the server, waits for its end, and gives the folder back."""
        if self._users is not None:
            os.close(self._users)
            self._users = None
            if self.pid:
                _within(CHILDREN_END_SECONDS, self._is_last_user)
                self._stop_server()
        self._forget_owner()

    def _ensure(self) -> None:
        lock = _open(self.folder / "redis.pid")
        try:
            self.taken_over = not _locked(lock, fcntl.LOCK_EX)
            if self.taken_over and not self._take_over(lock):
                self._end_hung_server(lock)
                self.taken_over = False
            if not self.taken_over:
                self._spawn(lock)
        finally:
            os.close(lock)

    def _spawn(self, lock: int) -> None:
        self.socket = private_folder(socket_folder(self.folder)) / "redis.sock"
        self.socket.unlink(missing_ok=True)
        log, config = self.folder / "redis.log", self.folder / "redis.conf"
        with suppress(FileNotFoundError):
            log.replace(self.folder / "redis.log.1")
        config.write_text(
            configuration(
                self.folder, self.socket, log, self.maxmemory, syncs_always=self.syncs_always
            )
        )
        self._process = subprocess.Popen(
            (str(server_binary()), str(config)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A locale that the machine lacks ends Redis >= 7.2 at start.
            env={**environment(), "LC_ALL": "C"},
            pass_fds=(lock,),
            # Ctrl-C in the terminal is for the owner, who stops the server last.
            start_new_session=True,
        )
        self.pid = self._process.pid
        _write(lock, f"{self.pid}\n{self.socket}")
        process = self._process
        if not self._answers(lambda: process.poll() is not None):
            raise StartRefused(f"the embedded Redis did not start: {_last_line(log)} (see {log})")

    def _take_over(self, lock: int) -> bool:
        pid, _, path = os.pread(lock, 4096, 0).decode(errors="replace").partition("\n")
        self.socket = Path(path) if path else socket_folder(self.folder) / "redis.sock"
        self.pid = int(pid) if pid.isdecimal() else 0
        self._process = None
        if not self._answers(lambda: _locked(lock, fcntl.LOCK_EX)):
            return False
        self.pid = self.pid or self._pid_by_socket()
        self._ask("CONFIG", "SET", "maxmemory", str(self.maxmemory))
        return True

    def _answers(self, has_ended: Callable[[], bool]) -> bool:
        """Waits for PONG; a server that reads its data answers -LOADING and is waited for longer."""
        silent_until = time.monotonic() + ANSWER_SECONDS
        loading_until = time.monotonic() + LOADING_SECONDS
        while time.monotonic() < min(silent_until, loading_until) and not has_ended():
            answer = self._ask("PING")
            if answer.startswith(b"+PONG"):
                return True
            if answer.startswith(b"-LOADING"):
                silent_until = time.monotonic() + ANSWER_SECONDS
            time.sleep(POLL_SECONDS)
        return False

    def _ask(self, *words: str) -> bytes:
        """One command over the socket; b"" where nobody answers."""
        request = b"*%d\r\n" % len(words)
        for word in words:
            request += b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode())
        with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
            connection.settimeout(2)
            connection.connect(str(self.socket))
            connection.sendall(request)
            return connection.recv(65_536)
        return b""

    def _pid_by_socket(self) -> int:
        """The server's own word, where its starter was killed before it noted the pid."""
        for line in self._ask("INFO", "server").splitlines():
            if line.startswith(b"process_id:"):
                return int(line.partition(b":")[2])
        return 0

    def _is_last_user(self) -> bool:
        users = _open(self.folder / "users.lock")
        last = _locked(users, fcntl.LOCK_EX)
        os.close(users)
        return last

    def _stop_server(self) -> None:
        lock = _open(self.folder / "redis.pid")
        self._end(lock, signal.SIGTERM, STOP_SECONDS)
        self._end(lock, signal.SIGKILL, STOP_SECONDS)
        os.ftruncate(lock, 0)
        os.close(lock)
        if self._process is not None:
            self._process.wait()
            self._process = None
        self.pid = 0
        self.socket.unlink(missing_ok=True)
        with suppress(OSError):
            self.socket.parent.rmdir()

    def _end_hung_server(self, lock: int) -> None:
        if self.pid:
            self._end(lock, signal.SIGTERM, 2)
            self._end(lock, signal.SIGKILL, STOP_SECONDS)
        if not _locked(lock, fcntl.LOCK_EX):
            raise StartRefused(
                f"a Redis server holds {self.folder} and does not answer (process {self.pid or '?'}): end it"
            )

    def _end(self, lock: int, with_signal: signal.Signals, seconds: float) -> None:
        """Sends the signal unless the server, known by its lock, has ended; then waits for its end."""
        if _locked(lock, fcntl.LOCK_EX):
            return
        with suppress(ProcessLookupError):
            os.kill(self.pid, with_signal)
        _within(seconds, lambda: _locked(lock, fcntl.LOCK_EX))

    def _forget_owner(self) -> None:
        if self._owner is not None:
            os.close(self._owner)
            self._owner = None


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartRefused(f"cannot open {path}: {error.strerror}") from None


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    return held


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return "it wrote no log"
    return next((line for line in reversed(lines) if line.strip(" |`'-._")), "no reason given")
