"""The images' and compose's files hang together: what can be known without a Docker engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from source_tree import ROOT

DOCKER = ROOT / "docker"
COMPOSE = DOCKER / "compose.yml"


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


def copied_paths(dockerfile: Path) -> list[str]:
    """What the image takes from the build context."""
    return re.findall(r"^COPY (\S+) ", dockerfile.read_text(), re.MULTILINE)


@pytest.mark.parametrize("kind", ["networks", "volumes", "secrets"])
def test_services_use_what_is_declared(kind: str) -> None:
    stated = compose()
    used = {
        name.partition(":")[0]
        for service in stated["services"].values()
        for name in service.get(kind, [])
    }

    assert used == set(stated[kind])


def test_services_wait_for_services() -> None:
    services = compose()["services"]

    for service in services.values():
        for name in service.get("depends_on", {}):
            dockerfile = services[name].get("build", {}).get("dockerfile")
            health = services[name].get("healthcheck") or (
                dockerfile and "HEALTHCHECK" in (ROOT / dockerfile).read_text()
            )
            assert health, f"{name} says nothing of its health"


def test_redis_keeps_what_it_is_told() -> None:
    redis = compose()["services"]["redis"]
    command = " ".join(redis["command"])

    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert redis["networks"] == ["inside"]
    assert compose()["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("path", sorted(DOCKER.glob("Dockerfile.*")), ids=lambda path: path.name)
def test_an_image_finds_its_files_and_is_not_root(path: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]

    for source in copied_paths(path):
        part = source.rstrip("/")
        assert (ROOT / part).exists()
        assert part == "." or any(name == part or name.startswith(f"{part}/") for name in kept)
    assert re.findall(r"^USER (\w+)$", path.read_text(), re.MULTILINE) == ["empq"]


def test_each_service_of_ours_has_its_image() -> None:
    built = {
        service["build"]["dockerfile"]
        for service in compose()["services"].values()
        if "build" in service
    }

    assert {ROOT / name for name in built} == set(DOCKER.glob("Dockerfile.*"))
