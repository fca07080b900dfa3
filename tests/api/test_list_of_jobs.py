"""The list of jobs by pages: everything that was there throughout appears exactly once, newest first (field report R47)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.scene import Scene

JOBS = 3000


def pages(scene: Scene, query: str) -> Iterator[list[Any]]:
    cursor = ""
    while True:
        page = scene.http.get(f"/api/jobs?{query}{cursor}")
        yield page["jobs"]
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


@contextmanager
def others_at_work(scene: Scene) -> Iterator[list[str]]:
    """Another client submits, cancels and retries until the block ends; what it made."""
    made: list[str] = []
    over = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not over.is_set():
                job_id = scene.submit()
                made.append(job_id)
                scene.cancel(job_id)
                answer = scene.http("POST", f"/api/jobs/{job_id}/retry")
                assert answer.status == 201, answer
                made.append(answer.json["id"])
        except BaseException as error:
            errors.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield made
    finally:
        over.set()
        worker.join()
    assert not errors


@pytest.fixture(scope="module")
def many(shared_hub: Any) -> Iterator[tuple[Scene, list[str]]]:
    scene = Scene(shared_hub)
    yield scene, scene.batch(*(scene.body() for _ in range(JOBS)))
    scene.close()


@pytest.mark.parametrize("limit", [7, 100, 1000])
def test_every_job_appears_once_while_others_work(
    many: tuple[Scene, list[str]], limit: int
) -> None:
    scene, ids = many
    seen: list[Any] = []
    with others_at_work(scene) as made:
        for page in pages(scene, f"customer_id={scene.customer}&limit={limit}"):
            assert len(page) <= limit
            seen += page

    listed = [job["id"] for job in seen]
    assert len(set(listed)) == len(listed)
    assert set(ids) <= set(listed)
    order = [(job["created_at"], job["id"]) for job in seen]
    assert order == sorted(order, reverse=True)
    assert made


def test_a_thousand_retried_at_once_are_all_reached(many: tuple[Scene, list[str]]) -> None:
    scene, _ = many
    ids = scene.batch(*(scene.body(type="again") for _ in range(1000)))
    filters = {"customer_id": scene.customer, "type": "again"}
    scene.http("POST", "/api/jobs/cancel", {"filter": filters})
    answer = scene.http("POST", "/api/jobs/retry", {"filter": {**filters, "status": "cancelled"}})

    seen = [
        job
        for page in pages(scene, f"customer_id={scene.customer}&type=again&status=queued&limit=100")
        for job in page
    ]

    assert answer.json["count"] == 1000
    assert sorted(job["retry_of"] for job in seen) == sorted(ids)


def test_a_page_of_a_rare_kind_looks_at_ten_thousand_at_most(
    many: tuple[Scene, list[str]],
) -> None:
    scene, _ = many
    rare = scene.submit(type="rare")
    found = [
        job["id"]
        for page in pages(scene, f"customer_id={scene.customer}&type=rare&limit=1")
        for job in page
    ]
    assert found == [rare]


@pytest.mark.parametrize("change", ["cut", "other filters", "garbage", "not text"])
def test_a_cursor_that_is_not_of_these_filters_is_refused(
    many: tuple[Scene, list[str]], change: str
) -> None:
    scene, _ = many
    query = f"customer_id={scene.customer}&limit=7"
    cursor = scene.http.get(f"/api/jobs?{query}")["next_cursor"]
    queries = {
        "cut": f"{query}&cursor={cursor[:-9]}",
        "other filters": f"{query}&status=queued&cursor={cursor}",
        "garbage": f"{query}&cursor=%21%21%21",
        "not text": f"{query}&cursor=%ff%fe",
    }

    answer = scene.http("GET", f"/api/jobs?{queries[change]}")

    assert (answer.status, answer.code, answer.pointers) == (422, "invalid_field", ["/cursor"])


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("limit=0", "/limit", "invalid_field"),
        ("limit=1001", "/limit", "invalid_field"),
        ("limit=ten", "/limit", "invalid_field"),
        ("status=done", "/status", "invalid_field"),
        ("colour=red", "/colour", "unknown_field"),
    ],
)
def test_a_wrong_query_is_named(scene: Scene, query: str, pointer: str, code: str) -> None:
    answer = scene.http("GET", f"/api/jobs?{query}")
    assert (answer.status, answer.code, answer.pointers) == (422, code, [pointer])
