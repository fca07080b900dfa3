"""The ComfyUI connector against the stand-in, artifacts to a hub over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from empq.connectors.base import JobFailed, JobInvalid, ServiceBusy, ServiceLost
from empq.connectors.comfyui import ComfyuiConnector, ComfyuiSettings
from empq.sim import png
from empq.sim.comfyui import ComfyuiStandIn
from empq.worker.hub_files import HubFiles
from tests.connectors.comfyui_support import (
    CHECKPOINT,
    ArtifactHub,
    Recorder,
    make_job,
    text_to_image,
)


async def test_a_text_to_image_graph_ends_as_an_artifact_at_the_hub(
    server: ComfyuiStandIn, connector: ComfyuiConnector, artifacts: ArtifactHub, files: HubFiles
) -> None:
    job = make_job(text_to_image(), extra_data={"extra_pnginfo": {"x": 1}})
    report = Recorder(files, job)

    result = await connector.run(job, report)

    assert result.value["prompt_id"] == job.attempt_id
    (output,) = result.value["outputs"]
    assert output["node"] == "9"
    stored = artifacts.artifacts[output["name"]]
    assert png.size(stored) == (64, 64)
    assert stored == server.engine.files["output", "", output["filename"]]
    assert artifacts.types[output["name"]] == "image/png"
    assert artifacts.queries == [{"worker_id": "w-1", "attempt": "1", "lease": "L"}]
    assert report.progress == sorted(report.progress)
    assert report.progress[-1] == 100
    assert "Sampler 4/4" in report.steps
    assert report.previews[0].content_type == "image/png"
    assert server.engine.history[job.attempt_id]["prompt"][3]["extra_pnginfo"] == {"x": 1}


async def test_an_unknown_checkpoint_fails_for_good_and_names_the_node(
    connector: ComfyuiConnector, files: HubFiles
) -> None:
    job = make_job(text_to_image(checkpoint="missing.safetensors"))

    with pytest.raises(JobInvalid) as caught:
        await connector.run(job, Recorder(files, job))

    assert "node 4 (CheckpointLoaderSimple): Value not in list" in str(caught.value)
    assert caught.value.details is not None
    assert caught.value.details["type"] == "prompt_outputs_failed_validation"


async def test_a_graph_of_which_a_part_is_wrong_fails_and_does_not_run(
    server: ComfyuiStandIn, connector: ComfyuiConnector, files: HubFiles
) -> None:
    graph = text_to_image()
    graph["10"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "b"}}
    job = make_job(graph)

    with pytest.raises(JobInvalid, match=r"node 10 .*Required input is missing: images"):
        await connector.run(job, Recorder(files, job))
    await connector.cancel(job)
    assert server.engine.files == {}


async def _run_until_first_step(
    connector: ComfyuiConnector, files: HubFiles, job: Any
) -> asyncio.Task[Any]:
    report = Recorder(files, job)
    run = asyncio.create_task(connector.run(job, report))
    await report.seen.wait()
    return run


async def test_a_running_prompt_is_interrupted_when_the_job_is_cancelled(
    server: ComfyuiStandIn, connector: ComfyuiConnector, files: HubFiles
) -> None:
    job = make_job(text_to_image(steps=10_000))
    run = await _run_until_first_step(connector, files, job)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await connector.cancel(job)

    assert server.engine.remaining == 0
    record = server.engine.history[job.attempt_id]
    assert record["status"]["messages"][-1][0] == "execution_interrupted"


async def test_a_waiting_prompt_is_taken_out_and_the_running_one_goes_on(
    server: ComfyuiStandIn, connector: ComfyuiConnector, files: HubFiles
) -> None:
    first, second = make_job(text_to_image(steps=10_000)), make_job(text_to_image(), "j-2")
    running = await _run_until_first_step(connector, files, first)
    waiting = asyncio.create_task(connector.run(second, Recorder(files, second)))
    async with ClientSession() as session, session.ws_connect(f"{server.url}/ws") as socket:
        async for message in socket:
            if isinstance(message.data, str) and server.engine.pending:
                break

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await connector.cancel(second)

    assert server.engine.pending == []
    assert server.engine.running is not None
    assert server.engine.running.prompt_id == first.attempt_id
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await connector.cancel(first)


async def test_an_attempt_that_another_process_began_is_adopted(
    server: ComfyuiStandIn, connector: ComfyuiConnector, files: HubFiles
) -> None:
    job = make_job(text_to_image())
    done = await connector.run(job, Recorder(files, job))
    successor = ComfyuiConnector(ComfyuiSettings(url=server.url))

    again = await successor.run(job, Recorder(files, job))

    assert again == done
    assert server.engine.executed_prompts == [job.attempt_id]
    await successor.stop()


async def test_the_next_attempt_adopts_what_a_killed_worker_left_running(
    server: ComfyuiStandIn, connector: ComfyuiConnector, artifacts: ArtifactHub, files: HubFiles
) -> None:
    first, second = make_job(text_to_image(steps=50)), make_job(text_to_image(), attempt=2)
    killed = await _run_until_first_step(connector, files, first)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    successor = ComfyuiConnector(ComfyuiSettings(url=server.url, poll_seconds=0.01))

    result = await successor.run(second, Recorder(files, second))

    assert result.value["prompt_id"] == first.attempt_id
    assert server.engine.executed_prompts == [first.attempt_id]
    assert len(artifacts.artifacts) == 1
    await successor.stop()


async def test_an_attempt_that_failed_is_not_adopted(
    server: ComfyuiStandIn, connector: ComfyuiConnector, files: HubFiles
) -> None:
    first, second = make_job(text_to_image(steps=10_000)), make_job(text_to_image(), attempt=2)
    cancelled = await _run_until_first_step(connector, files, first)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    await connector.cancel(first)

    result = await connector.run(second, Recorder(files, second))
    assert result.value["prompt_id"] == second.attempt_id


async def test_a_cached_run_has_its_pictures(
    server: ComfyuiStandIn,
    connector: ComfyuiConnector,
    artifacts: ArtifactHub,
    files: HubFiles,
) -> None:
    first, second = make_job(text_to_image()), make_job(text_to_image(), "j-2")
    before = await connector.run(first, Recorder(files, first))
    artifacts.artifacts.clear()

    after = await connector.run(second, Recorder(files, second))

    assert after.value["outputs"] == before.value["outputs"]
    assert list(artifacts.artifacts) == [before.value["outputs"][0]["name"]]
    server.engine.files.clear()
    third = make_job(text_to_image(), "j-3")
    with pytest.raises(JobFailed, match=r"cat_00001_.png is no longer on the server") as caught:
        await connector.run(third, Recorder(files, third))
    assert caught.value.retry


async def test_pictures_of_the_socket_become_artifacts(
    connector: ComfyuiConnector, artifacts: ArtifactHub, files: HubFiles
) -> None:
    graph = text_to_image()
    graph["9"] = {"class_type": "SaveImageWebsocket", "inputs": {"images": ["8", 0]}}
    job = make_job(graph)

    result = await connector.run(job, Recorder(files, job))

    assert [output["name"] for output in result.value["outputs"]] == ["9.png"]
    assert png.size(artifacts.artifacts["9.png"]) == (64, 64)


async def test_a_full_gpu_is_retried_and_an_error_of_the_graph_is_not(
    connector: ComfyuiConnector, files: HubFiles
) -> None:
    large = make_job(text_to_image(side=16_384))
    with pytest.raises(JobFailed, match="OutOfMemoryError") as caught:
        await connector.run(large, Recorder(files, large))
    assert caught.value.retry

    graph = text_to_image()
    graph["9"]["inputs"]["filename_prefix"] = "../x"
    outside = make_job(graph, "j-2")
    with pytest.raises(JobFailed, match="not allowed") as caught:
        await connector.run(outside, Recorder(files, outside))
    assert not caught.value.retry


async def test_a_lost_record_and_a_server_that_is_gone_are_retried(
    server: ComfyuiStandIn, connector: ComfyuiConnector, files: HubFiles
) -> None:
    job = make_job(text_to_image(steps=10_000))
    run = await _run_until_first_step(connector, files, job)
    assert server.engine.running is not None
    server.engine.running = server.engine.running._replace(prompt_id="another")
    with pytest.raises(ServiceLost, match="restarted"):
        await run

    nobody = ComfyuiConnector(ComfyuiSettings(url="http://127.0.0.1:9"))
    with pytest.raises(ServiceBusy):
        await nobody.run(job, Recorder(files, job))
    with pytest.raises(ServiceLost):
        await nobody.check()
    await nobody.stop()


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ({"last_node_id": 9, "nodes": [], "links": []}, "export it with"),
        ("a string", "payload.prompt: expected a graph"),
        ({}, "payload.prompt: expected a graph"),
        ({"3": {"inputs": {}}}, "payload.prompt.3: a node needs a class_type"),
    ],
)
async def test_what_is_no_graph_never_reaches_the_server(prompt: Any, sentence: str) -> None:
    connector = ComfyuiConnector(ComfyuiSettings(url="http://127.0.0.1:9"))
    job = make_job(prompt)
    with pytest.raises(JobInvalid, match=sentence):
        await connector.run(job, lambda *_: None)  # type: ignore[arg-type]


async def test_the_probe_finds_models_and_hardware(connector: ComfyuiConnector) -> None:
    await connector.check()
    assert (await connector.models()).available == [CHECKPOINT]
    assert await connector.hardware() == {
        "gpu_model": "Simulated GPU",
        "gpu_memory_gb": 24.0,
        "gpu_count": 1,
    }


async def test_an_upload_is_repeated_while_the_hub_cannot_take_it(
    connector: ComfyuiConnector, artifacts: ArtifactHub, files: HubFiles
) -> None:
    job = make_job(text_to_image())
    artifacts.answers = [503, 500]
    result = await connector.run(job, Recorder(files, job))
    assert result.value["outputs"][0]["name"] in artifacts.artifacts
    assert len(artifacts.queries) == 3

    artifacts.answers = [413]
    second = make_job(text_to_image(seed=8), "j-2")
    with pytest.raises(JobInvalid, match="the hub answered 413"):
        await connector.run(second, Recorder(files, second))


async def test_a_big_seed_reaches_the_server_digit_by_digit(
    server: ComfyuiStandIn, connector: ComfyuiConnector, files: HubFiles
) -> None:
    job = make_job(text_to_image(seed=18_446_744_073_709_551_615))
    await connector.run(job, Recorder(files, job))
    async with ClientSession() as session, session.get(f"{server.url}/history") as answer:
        history = await answer.json()
    graph = history[job.attempt_id]["prompt"][2]
    assert graph["3"]["inputs"]["seed"] == 18_446_744_073_709_551_615
