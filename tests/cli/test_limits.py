"""pause, resume, customers, queues, explain --worker and the unmet part of stats, as typed against a real hub."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Empq
from tests.support.processes import KEY
from tests.support.scene import Scene


@pytest.fixture
def typed(empq: Empq, scene: Scene) -> Empq:
    """`empq` with the real hub's address and key."""

    def run(*arguments: str, stdin: bytes = b"", **environment: str):  # type: ignore[no-untyped-def]
        where = {"EMPQ_HUB": scene.hub.url, "EMPQ_KEY": KEY}
        return empq(*arguments, stdin=stdin, **where, **environment)

    return run


def test_a_service_is_paused_listed_and_resumed(typed: Empq, scene: Scene) -> None:
    paused = typed("pause", "service", scene.service, "--reason", "driver update")
    assert paused.returncode == 0, paused.stderr
    assert f"empq resume service {scene.service}".encode() in paused.stdout
    listed = typed("pause").stdout.decode()
    assert scene.service in listed and "driver update" in listed
    ended = json.loads(typed("resume", "service", scene.service, "--json").stdout)
    assert len(ended["ended"]) == 1
    assert b"was not paused" in typed("resume", "service", scene.service).stdout


@pytest.mark.parametrize(
    "words",
    [("pause", "planet", "x"), ("pause", "service"), ("resume", "planet", "x"), ("explain",)],
)
def test_a_command_line_that_says_too_little_is_2(typed: Empq, words: tuple[str, ...]) -> None:
    assert typed(*words).returncode == 2


def test_a_customer_is_shown_and_set(typed: Empq, scene: Scene) -> None:
    said = typed("customers", scene.customer, "--weight", "3", "--max-active", "20")
    assert said.returncode == 0, said.stderr
    shown = json.loads(typed("customers", scene.customer, "--json").stdout)
    assert (shown["weight"], shown["max_active"], shown["max_queued"]) == (3, 20, None)
    assert scene.customer in typed("customers").stdout.decode()


def test_queues_a_worker_and_unmet_demand_are_told(typed: Empq, scene: Scene) -> None:
    worker = scene.worker(hardware={"gpu_memory_gb": 8})
    needs = {"service_type": scene.service, "hardware": {"gpu_memory_gb": 80}}
    scene.submit(requirements=needs)
    scene.submit()
    rows = {line.split()[0]: line.split() for line in typed("queues").stdout.decode().splitlines()}
    assert rows[scene.service][1] == "2"
    explained = typed("explain", "--worker", worker.id).stdout.decode()
    assert "hardware.gpu_memory_gb: needs 80, offers 8" in explained
    figures = typed("stats").stdout.decode()
    assert "that no worker here can ever take" in figures
