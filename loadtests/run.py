"""Starts an `empq up` on a free port, lets locust loose on it for a bounded time, stops it (`make loadtest`)."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
COMMANDS = Path(sys.executable).parent
START_SECONDS, STOP_SECONDS = 30.0, 15.0


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def wait_until_ready(hub: subprocess.Popen[bytes], url: str) -> None:
    """Returns as soon as the hub says it is ready; SystemExit where it ends or takes too long."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if hub.poll() is not None:
            raise SystemExit(f"empq up ended with status {hub.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"empq up was not ready within {START_SECONDS:.0f} s")


def stop(hub: subprocess.Popen[bytes]) -> None:
    if hub.poll() is not None:
        return
    hub.send_signal(signal.SIGINT)
    try:
        hub.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        hub.kill()
        hub.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=40, help="people and workers, three to one")
    parser.add_argument("--seconds", type=int, default=30, help="how long")
    options = parser.parse_args()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "EMPQ_ADMIN_KEY": secrets.token_urlsafe(24)}
    with tempfile.TemporaryDirectory(prefix="empq-load-") as data:
        up = [str(COMMANDS / "empq"), "up", "--port", str(port), "--workers", "0", "--data", data]
        hub = subprocess.Popen(
            up, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            wait_until_ready(hub, url)
            command = [
                sys.executable,
                "-m",
                "locust",
                "--locustfile",
                str(FOLDER / "locustfile.py"),
            ]
            command += ["--headless", "--only-summary", "--host", url]
            command += ["--users", str(options.users), "--spawn-rate", str(options.users)]
            command += ["--run-time", f"{options.seconds}s", "--stop-timeout", "10s"]
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            stop(hub)


if __name__ == "__main__":
    sys.exit(main())
