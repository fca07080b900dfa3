"""examples/worker_websocket.py, written against the contract alone with plain `websockets`, runs real jobs on a real hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import KEY, ROOT, Program
from tests.support.scene import Scene

EXAMPLE = ROOT / "examples" / "worker_websocket.py"
NEEDS = {"service_type": "counting"}


@pytest.fixture
def worker(scene: Scene, programs: list[Program], tmp_path: Path) -> Program:
    hub = scene.hub.url.replace("http://", "ws://")
    program = Program("worker", (str(EXAMPLE), hub, f"{scene.name}-ws"), tmp_path, EMPQ_TOKEN=KEY)
    programs.append(program)
    program.start()
    return program


def count(scene: Scene, last: object, **fields: object) -> str:
    return scene.submit(type="count", payload={"to": last}, requirements=NEEDS, **fields)


def test_it_needs_no_empq_and_fits_on_a_page() -> None:
    lines = EXAMPLE.read_text().splitlines()
    assert len(lines) <= 60
    assert not [line for line in lines if line.startswith(("import empq", "from empq"))]


def test_it_runs_jobs_with_progress_and_fails_those_that_it_cannot(
    scene: Scene, worker: Program
) -> None:
    client = scene.client()
    job_id, wrong = count(scene, 3), count(scene, "many")
    subscription = client.ask("subscribe_job", "job_notifications_subscribed", job_id=job_id)

    job, failed = scene.ended(job_id), scene.ended(wrong)

    assert (job["status"], job["result"], job["attempt"]) == ("completed", {"counted": 3}, 1)
    own = {"subscription": subscription["subscription"]}
    assert client.expect("job_update", **own)["progress"] >= 0
    assert client.expect("job_completed", **own)["status"] == "completed"
    assert (failed["status"], failed["error"]["message"]) == (
        "failed",
        "payload.to must be a number",
    )


def test_a_cancelled_job_frees_its_slot_for_the_next(scene: Scene, worker: Program) -> None:
    endless = count(scene, 10_000)
    scene.becomes(endless, "in_progress")
    following = count(scene, 1)

    scene.cancel(endless)

    assert scene.ended(following)["result"] == {"counted": 1}
    assert scene.job(endless)["status"] == "cancelled"
    assert worker.process.poll() is None, worker.text
