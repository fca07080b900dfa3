"""EmbeddedRedis: one server per folder, whoever was killed when, and its data always there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from empq.allinone.embedded_redis import EmbeddedRedis
from empq.allinone.redis_files import SOCKET_PATH_BYTES
from empq.errors import StartRefused

OWNER = """
import sys
from pathlib import Path
from empq.allinone.embedded_redis import EmbeddedRedis
redis = EmbeddedRedis(Path(sys.argv[1]))
print(redis.start(), redis.pid, flush=True)
sys.stdin.read()
redis.stop()
"""


@contextmanager
def client(url: str) -> Iterator[Redis]:
    connection = Redis.from_url(url, decode_responses=True)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def owner_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    process = subprocess.Popen(
        (sys.executable, "-c", OWNER, str(folder)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    try:
        url, _, pid = process.stdout.readline().strip().rpartition(" ")
        yield process, url, int(pid)
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_it_starts_privately_durably_and_bounded(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "data", maxmemory=64 << 20) as redis, client(redis.url) as asked:
        told = asked.config_get("*")

        assert told["port"] == "0"
        assert (told["appendonly"], told["appendfsync"], told["save"]) == ("yes", "everysec", "")
        assert (told["maxmemory-policy"], told["maxmemory"]) == ("noeviction", str(64 << 20))
        assert redis.socket.parent.stat().st_mode & 0o777 == 0o700


def test_its_data_survives_a_clean_restart_and_nothing_stays_behind(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as redis, client(redis.url) as asked:
        pid, socket = redis.pid, redis.socket
        asked.set("job", "1")

    assert not is_alive(pid)
    assert not socket.exists()
    with EmbeddedRedis(tmp_path) as redis, client(redis.url) as asked:
        assert asked.get("job") == "1"
        assert not redis.taken_over


def test_a_second_owner_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (first, url, _):
        with pytest.raises(
            StartRefused, match=rf"in use by another `empq up` \(process {first.pid}\)"
        ):
            EmbeddedRedis(tmp_path).start()

        with client(url) as asked:
            assert asked.ping()


def test_the_server_of_a_killed_owner_is_taken_over_with_its_data_ten_times(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (first, url, server):
        with client(url) as asked:
            asked.set("rounds", 0)
        first.kill()
    for _ in range(10):
        with owner_process(tmp_path) as (owner, url, pid):
            assert pid == server
            with client(url) as asked:
                asked.incr("rounds")
            owner.kill()

    with EmbeddedRedis(tmp_path) as redis, client(redis.url) as asked:
        assert redis.taken_over
        assert asked.get("rounds") == "10"
    eventually(lambda: not is_alive(server))


def test_a_server_whose_pid_was_never_noted_is_taken_over_not_doubled(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (first, _, server):
        first.kill()
    (tmp_path / "redis.pid").write_text("")

    with EmbeddedRedis(tmp_path) as redis:
        assert redis.pid == server
    eventually(lambda: not is_alive(server))


def test_a_stale_pid_file_and_socket_are_cleaned(tmp_path: Path) -> None:
    with owner_process(tmp_path) as (first, url, server):
        with client(url) as asked:
            asked.set("job", "1")
            asked.execute_command("WAITAOF", 1, 0, 5000)
        first.kill()
        os.kill(server, signal.SIGKILL)
        eventually(lambda: not is_alive(server))
    assert (tmp_path / "run" / "redis.sock").exists()
    assert (tmp_path / "redis.pid").read_text().startswith(str(server))

    with EmbeddedRedis(tmp_path) as redis, client(redis.url) as asked:
        assert not redis.taken_over
        assert redis.pid != server
        assert asked.get("job") == "1"


def test_a_server_that_ended_is_revived(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as redis:
        assert not redis.revive()
        os.kill(redis.pid, signal.SIGKILL)

        eventually(redis.revive)
        with client(redis.url) as asked:
            assert asked.ping()


def test_children_that_still_end_are_waited_for(tmp_path: Path) -> None:
    owner = EmbeddedRedis(tmp_path)
    owner.claim()
    child = subprocess.Popen(
        (sys.executable, "-c", "import sys; sys.stdin.read()"),
        stdin=subprocess.PIPE,
        pass_fds=(owner.users_lock,),
    )
    assert child.stdin
    owner.stop()

    waiting = subprocess.Popen(
        (sys.executable, "-c", OWNER, str(tmp_path)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert waiting.stdin and waiting.stdout
    child.stdin.close()
    child.wait()
    assert waiting.stdout.readline().startswith(b"unix://")
    waiting.communicate()


def test_a_long_path_with_spaces_gets_a_short_private_socket(tmp_path: Path) -> None:
    deep = tmp_path / ('a folder with a "quoted" name ' * 3) / ("x" * 60)
    with EmbeddedRedis(deep) as redis, client(redis.url) as asked:
        assert asked.config_get("dir")["dir"] == str(deep)
        assert len(str(redis.socket)) <= SOCKET_PATH_BYTES
        assert redis.socket.parent.stat().st_mode & 0o777 == 0o700
        short = redis.socket.parent

    assert not short.exists()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as redis, client(redis.url) as asked:
        asked.set("job", "1")
    for part in (tmp_path / "appendonlydir").glob("*.manifest"):
        part.write_text("not a manifest\n")

    with pytest.raises(StartRefused, match=r"did not start: .+redis\.log"):
        EmbeddedRedis(tmp_path).start()
