"""docs/connectors.md: its connector runs in a worker, its worker.toml is taken, every key of the file is named."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from empq.worker.configuration import ConnectorTable, WorkerTable
from tests.support.live import MakesHub
from tests.support.processes import KEY, Program
from tests.support.scene import Scene

PAGE = (Path(__file__).parents[2] / "docs" / "connectors.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


def test_every_key_of_the_file_is_named() -> None:
    for table in (WorkerTable, ConnectorTable):
        for field in msgspec.structs.fields(table):
            assert re.search(rf"\b{field.name}\b", blocks("toml")[0]), field.name


def test_the_connector_of_the_page_runs_jobs(
    make_hub: MakesHub, programs: list[Program], tmp_path: Path
) -> None:
    hub = make_hub()
    package, info = tmp_path / "site", tmp_path / "site" / "shouting-1.dist-info"
    info.mkdir(parents=True)
    (package / "shouting.py").write_text(blocks("python")[0])
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[empq.connectors]\nshout = shouting:Shout\n")
    file = tmp_path / "worker.toml"
    file.write_text('[worker]\nid = "shouter"\n' + blocks("toml")[2])
    start = f"import sys; sys.path.insert(0, {str(package)!r}); from empq.worker.main import main; main()"
    worker = Program(
        "shouter", ("-c", start, str(file), "--hub", hub.url), tmp_path, EMPQ_TOKEN=KEY
    )
    programs.append(worker)
    worker.start()
    scene = Scene(hub)
    needs = {"service_type": "shouting"}
    good = scene.submit(payload={"text": "hello"}, requirements=needs)
    empty = scene.submit(payload={"text": ""}, requirements=needs)
    wrong = scene.submit(payload={"text": 7}, requirements=needs)

    ended = scene.ended(good)
    assert (ended["status"], ended["result"]) == ("completed", {"text": "HELLO!"}), worker.text
    assert [one["name"] for one in ended["artifacts"]] == ["note.txt"]
    for job_id, text in ((empty, "nothing to shout"), (wrong, "payload.text")):
        failed = scene.ended(job_id)
        assert (failed["status"], failed["attempt"]) == ("failed", 1)
        assert text in failed["error"]["message"]
