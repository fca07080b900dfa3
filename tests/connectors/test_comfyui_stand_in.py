"""The stand-in behaves like the server that it stands for (research/ecosystem.md, section 1)."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientSession

from empq.sim import png
from empq.sim.comfyui import ComfyuiStandIn
from tests.connectors.comfyui_support import text_to_image


async def _post(session: ClientSession, url: str, body: dict[str, Any]) -> tuple[int, Any]:
    async with session.post(f"{url}/prompt", json=body) as answer:
        return answer.status, await answer.json()


async def _events(socket: Any, until: str) -> list[tuple[str, dict[str, Any]]]:
    """JSON events up to `executing` with a null node (or another last one)."""
    seen: list[tuple[str, dict[str, Any]]] = []
    async for message in socket:
        if isinstance(message.data, str):
            event = message.json()
            seen.append((event["type"], event["data"]))
            if seen[-1][0] == until and seen[-1][1].get("node") is None:
                return seen
    return seen


async def test_events_come_in_the_real_order_and_history_after_success(
    server: ComfyuiStandIn,
) -> None:
    async with ClientSession() as session, session.ws_connect(f"{server.url}/ws?clientId=c") as ws:
        await _post(session, server.url, {"prompt": text_to_image(steps=2), "client_id": "c"})
        events = await _events(ws, until="executing")

    kinds = [kind for kind, _ in events]
    assert kinds[:5] == ["status", "status", "status", "execution_start", "execution_cached"]
    assert kinds[-3:] == ["execution_success", "status", "executing"]
    assert kinds.count("progress") == 2
    assert kinds.index("executed") > kinds.index("progress")
    assert kinds.count("executing") == 8


async def test_the_same_graph_again_is_cached_and_names_the_old_file(
    server: ComfyuiStandIn,
) -> None:
    async with ClientSession() as session, session.ws_connect(f"{server.url}/ws?clientId=c") as ws:
        body = {"prompt": text_to_image(), "client_id": "c"}
        await _post(session, server.url, body)
        first = await _events(ws, until="executing")
        await _post(session, server.url, body)
        second = await _events(ws, until="executing")

    def shown(events: list[tuple[str, dict[str, Any]]]) -> list[Any]:
        return [data["output"] for kind, data in events if kind == "executed"]

    assert shown(first) == shown(second)
    cached = next(data for kind, data in second if kind == "execution_cached")
    assert set(cached["nodes"]) == set(text_to_image())


async def test_without_a_client_id_progress_is_broadcast_and_ends_are_not_told(
    server: ComfyuiStandIn,
) -> None:
    async with ClientSession() as session, session.ws_connect(f"{server.url}/ws?clientId=c") as ws:
        _, first = await _post(session, server.url, {"prompt": text_to_image(steps=1)})
        body = {"prompt": text_to_image(seed=8), "client_id": "c"}
        _, second = await _post(session, server.url, body)
        events = await _events(ws, until="executing")

    told = {kind for kind, data in events if data.get("prompt_id") == first["prompt_id"]}
    assert told == {"progress", "progress_state"}
    assert second["prompt_id"] in server.engine.history


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda graph: graph["9"]["inputs"].pop("images"), "required_input_missing"),
        (lambda graph: graph["3"]["inputs"].update(steps=0), "value_smaller_than_min"),
        (lambda graph: graph["3"]["inputs"].update(cfg=101), "value_bigger_than_max"),
        (lambda graph: graph["3"]["inputs"].update(seed="x"), "invalid_input_type"),
        (lambda graph: graph["3"]["inputs"].update(sampler_name="x"), "value_not_in_list"),
        (lambda graph: graph["9"]["inputs"].update(images=["5", 0]), "return_type_mismatch"),
        (lambda graph: graph["9"]["inputs"].update(images=[5]), "bad_linked_input"),
    ],
)
async def test_wrong_inputs_are_refused_by_node(
    server: ComfyuiStandIn, change: Any, kind: str
) -> None:
    graph = text_to_image()
    change(graph)
    async with ClientSession() as session:
        status, answer = await _post(session, server.url, {"prompt": graph})

    assert (status, answer["error"]["type"]) == (400, "prompt_outputs_failed_validation")
    (entry,) = answer["node_errors"].values()
    assert [error["type"] for error in entry["errors"]] == [kind]
    assert entry["dependent_outputs"] == ["9"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "no_prompt"),
        ({"prompt": {}}, "prompt_no_outputs"),
        ({"prompt": {"1": {"inputs": {}}}}, "invalid_prompt"),
        ({"prompt": {"1": {"class_type": "Nothing", "inputs": {}}}}, "invalid_prompt"),
    ],
)
async def test_wrong_graphs_are_refused_as_a_whole(
    server: ComfyuiStandIn, body: dict[str, Any], kind: str
) -> None:
    async with ClientSession() as session:
        status, answer = await _post(session, server.url, body)
    assert (status, answer["error"]["type"]) == (400, kind)


async def test_an_upload_of_another_file_under_a_taken_name_gets_a_name_of_its_own(
    server: ComfyuiStandIn,
) -> None:
    from aiohttp import FormData

    names: list[str] = []
    async with ClientSession() as session:
        for content in (b"one", b"two", b"one"):
            form = FormData()
            form.add_field("image", content, filename="photo.png")
            async with session.post(f"{server.url}/upload/image", data=form) as answer:
                names.append((await answer.json())["name"])
    assert names == ["photo.png", "photo (1).png", "photo.png"]


def test_pictures_depend_on_key_and_size() -> None:
    assert png.picture(20, 10, b"a") == png.picture(20, 10, b"a")
    assert png.picture(20, 10, b"a") != png.picture(20, 10, b"b")
    assert png.size(png.picture(20, 10, b"a")) == (20, 10)
