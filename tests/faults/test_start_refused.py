"""A hub that cannot start says why in one sentence, without a traceback and without a secret (R34)."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from tests.support.processes import KEY, Hub, Program, environment, free_port
from tests.support.redis_server import RedisServer

PASSWORD = "p#a/s@s:w%20r?d&ü"


def refused(folder: Path, *flags: str, **variables: str) -> tuple[int, str]:
    """Exit status and output of `empq hub` with these."""
    ran = subprocess.run(
        (sys.executable, "-m", "empq", "hub", *flags),
        cwd=folder,
        env=environment(folder, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in ran.stdout
    return ran.returncode, ran.stdout.strip()


def sentence(output: str) -> str:
    """The only line of the output that is no log line of a level below error."""
    lines = [
        line for line in output.splitlines() if " INFO " not in line and " WARNING " not in line
    ]
    assert len(lines) == 1, output
    return lines[0]


def test_without_redis(tmp_path: Path) -> None:
    port = free_port()
    status, output = refused(
        tmp_path,
        "--redis",
        f"redis://127.0.0.1:{port}/0",
        "--port",
        str(free_port()),
        EMPQ_ADMIN_KEY=KEY,
    )
    assert status == 2
    assert f"redis://127.0.0.1:{port}" in sentence(output)


def test_on_a_taken_port(tmp_path: Path, own_redis: RedisServer) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        status, output = refused(
            tmp_path, "--redis", own_redis.url, "--port", port, EMPQ_ADMIN_KEY=KEY
        )
    assert status == 2
    assert port in sentence(output)
    assert "--port" in output


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_on_an_open_address_without_a_key(
    tmp_path: Path, own_redis: RedisServer, host: str
) -> None:
    port = str(free_port())
    for flags in (("--host", host), ("--host", host, "--no-auth")):
        status, output = refused(tmp_path, "--redis", own_redis.url, "--port", port, *flags)
        assert status == 2
        assert ("--no-auth" if "--no-auth" in flags else "EMPQ_ADMIN_KEY") in sentence(output)


@pytest.mark.parametrize(
    ("flags", "variables", "named"),
    [
        (("--port", "99999"), {}, "port"),
        ((), {"EMPQ_PORT": "http"}, "EMPQ_PORT"),
        ((), {"EMPQ_LEASE_SECONDS": "-1"}, "EMPQ_LEASE_SECONDS"),
        ((), {"EMPQ_ADMIN_KEY_FILE": "/nowhere/key"}, "EMPQ_ADMIN_KEY_FILE"),
        (("--config", "/nowhere/empq.toml"), {}, "/nowhere/empq.toml"),
        (("--redis", "http://127.0.0.1"), {}, "redis://"),
    ],
)
def test_with_a_wrong_setting(
    tmp_path: Path, flags: tuple[str, ...], variables: dict[str, str], named: str
) -> None:
    status, output = refused(tmp_path, *flags, **variables)
    assert status == 2
    assert named in sentence(output)


def test_settings_that_the_data_contradict(tmp_path: Path, own_redis: RedisServer) -> None:
    hub = Hub(own_redis.url, tmp_path, EMPQ_LEASE_SECONDS="7")
    hub.start()
    hub.stop()
    stated = ("--redis", own_redis.url, "--port", str(free_port()))
    status, output = refused(tmp_path, *stated, EMPQ_ADMIN_KEY=KEY, EMPQ_LEASE_SECONDS="9")
    assert status == 2
    assert "lease_seconds" in sentence(output)
    assert "--change-settings" in output


@pytest.mark.parametrize("way", ["flag", "environment", "file", "secret file"])
def test_a_password_of_reserved_characters_connects_and_never_shows(
    tmp_path: Path, own_redis: RedisServer, programs: list[Program], way: str
) -> None:
    url = _locked(own_redis)
    variables: dict[str, str] = {}
    if way == "environment":
        variables = {"EMPQ_REDIS_URL": url}
    elif way == "file":
        (tmp_path / "empq.toml").write_text(f'redis_url = "{url}"\n', encoding="utf-8")
    elif way == "secret file":
        (tmp_path / "url").write_text(url + "\n", encoding="utf-8")
        variables = {"EMPQ_REDIS_URL_FILE": str(tmp_path / "url")}
    hub = Hub(url, tmp_path, "--log-level", "debug", **variables)
    if way != "flag":
        at = hub.arguments.index("--redis")
        del hub.arguments[at : at + 2]
    programs.append(hub)

    hub.start()
    printed = refused(
        tmp_path, "--print-config", *(("--redis", url) if way == "flag" else ()), **variables
    )

    assert hub.http.get("/api/jobs")["jobs"] == []
    assert hub.stop() == 0
    assert printed[0] == 0
    assert "unix://" in printed[1]
    for text in (hub.text, printed[1]):
        assert PASSWORD not in text
        assert quote(PASSWORD, safe="") not in text


@pytest.mark.parametrize("password", ["wrong-secret", PASSWORD, "p#a-secret", "p/a-secret"])
def test_a_wrong_password_is_one_sentence_without_it(
    tmp_path: Path, own_redis: RedisServer, password: str
) -> None:
    _locked(own_redis)
    url = own_redis.url.replace("unix://", f"unix://:{password}@")

    status, output = refused(
        tmp_path, "--redis", url, "--port", str(free_port()), EMPQ_ADMIN_KEY=KEY
    )

    assert status == 2
    assert sentence(output)
    assert password not in output
    assert "secret" not in output


def _locked(server: RedisServer) -> str:
    """Sets the password; the address with it, percent-encoded."""
    with redis.Redis(unix_socket_path=str(server.socket)) as connection:
        connection.config_set("requirepass", PASSWORD)
    return server.url.replace("unix://", f"unix://:{quote(PASSWORD, safe='')}@")
