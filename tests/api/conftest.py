"""One application over doubles of the services."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from empq.api.application import Application
from empq.api.authentication import Authentication
from empq.api.services import Services
from tests.api.doubles import Jobs, Workers, services


class Bench(NamedTuple):
    app: Application
    jobs: Jobs
    workers: Workers
    services: Services


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    made, jobs, workers = services(tmp_path)
    return Bench(Application(made, Authentication(None)), jobs, workers, made)
