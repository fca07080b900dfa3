"""The simulation connector and how connectors are found."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from empq.connectors import loading
from empq.connectors.base import Connector, Job, JobFailed, JobInvalid, NoSettings, Report, Result
from empq.connectors.comfyui import ComfyuiConnector
from empq.connectors.simulation import SimulationConnector
from empq.errors import StartRefused
from empq.worker.hub_files import HubFiles
from empq.worker.wire import Assignment
from tests.connectors.comfyui_support import ArtifactHub, Recorder, make_job

SIMULATION = SimulationConnector(NoSettings())


def simulated(payload: Any) -> Assignment:
    return Assignment(
        job_id="j", attempt=1, lease="L", payload=msgspec.Raw(msgspec.json.encode(payload))
    )


async def test_it_counts_its_steps_and_ignores_what_it_does_not_know(files: HubFiles) -> None:
    job = simulated({"steps": 4, "step_ms": 0, "prompt": "a cat"})
    report = Recorder(files, job)

    result = await SIMULATION.run(job, report)

    assert result.value == {"steps": 4, "simulated": True}
    assert report.progress == [0, 25, 50, 75, 100]


@pytest.mark.parametrize("payload", [None, "text"])
async def test_any_payload_can_be_simulated(files: HubFiles, payload: Any) -> None:
    job = simulated(payload)
    assert (await SIMULATION.run(job, Recorder(files, job))).value["steps"] == 5


async def test_it_fails_where_it_is_told_to(files: HubFiles) -> None:
    job = simulated({"steps": 4, "step_ms": 0, "fail_at": 2, "error": "boom", "retry": False})
    report = Recorder(files, job)
    with pytest.raises(JobFailed, match="boom") as caught:
        await SIMULATION.run(job, report)
    assert not caught.value.retry
    assert report.progress == [0, 25]


async def test_a_wrong_field_is_named(files: HubFiles) -> None:
    job = simulated({"steps": -1})
    with pytest.raises(JobInvalid, match=r"payload.steps: Expected `int` >= 0"):
        await SIMULATION.run(job, Recorder(files, job))


async def test_it_makes_an_artifact(files: HubFiles, artifacts: ArtifactHub) -> None:
    job = simulated({"steps": 0, "artifact_bytes": 100_000})
    await SIMULATION.run(job, Recorder(files, job))
    assert len(artifacts.artifacts["artifact.bin"]) == 100_000


def test_the_attempt_id_is_the_same_everywhere_and_another_for_each_attempt() -> None:
    first, again, second = make_job({}), make_job({}), make_job({}, attempt=2)
    assert first.attempt_id == again.attempt_id == "be59af91-2b4e-5d03-bd3f-6a0d8ea715a6"
    assert second.attempt_id != first.attempt_id


class Foreign(Connector[NoSettings]):
    """A third party's."""

    service = "foreign"

    async def run(self, job: Job, report: Report) -> Result:
        return Result()


class FoundEntry:
    """An entry point of another package."""

    def __init__(self, name: str, found: Any) -> None:
        self.name = name
        self._found = found

    def load(self) -> Any:
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


def test_kinds_come_from_here_and_from_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        FoundEntry("foreign", Foreign),
        FoundEntry("broken", ImportError("no torch")),
        FoundEntry("alien", dict),
    ]
    monkeypatch.setattr(loading, "entry_points", lambda group: found)

    assert loading.connector_class("comfyui", "w") is ComfyuiConnector
    assert loading.connector_class("foreign", "w") is Foreign
    with pytest.raises(StartRefused, match="cannot be loaded: no torch"):
        loading.connector_class("broken", "w")
    with pytest.raises(StartRefused, match=r"is not an empq.Connector"):
        loading.connector_class("alien", "w")
    with pytest.raises(StartRefused, match="alien, broken, comfyui, foreign, simulation"):
        loading.connector_class("none", "w")


def test_settings_are_named_by_path() -> None:
    with pytest.raises(StartRefused, match=r"connector\[1\].url: Expected `str` matching"):
        loading.build(ComfyuiConnector, {"url": "localhost"}, "worker.toml: connector[1]")
