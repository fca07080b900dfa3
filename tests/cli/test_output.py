"""What people and programs see, whatever the encoding, the terminal and the reader."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Empq
from tests.cli.fake_hub import Answer, FakeHub

NAME = "écran 🎨 日本"
EXACT = (
    b'{"id":"j1","type":"t","status":"queued","payload":{"seed": 6687881544318117707, '
    b'"b": 19933688932870350000, "c": 1e400, "d": 1.0, "e": -0, "f": 0.1000},'
    b'"metadata":{"n":"\xc3\xa9cran \xf0\x9f\x8e\xa8"},"customer_id":"\xe6\x97\xa5\xe6\x9c\xac"}'
)


def page(count: int) -> dict[str, object]:
    jobs = [
        {
            "id": f"j{number}",
            "type": NAME,
            "status": "in_progress",
            "customer_id": NAME,
            "progress": 40.0,
            "created_at": "2026-11-25T04:00:00.000Z",
        }
        for number in range(count)
    ]
    return {"jobs": jobs, "next_cursor": None}


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1", "TERM": "dumb"},
        {"COLUMNS": "40", "NO_COLOR": "1"},
    ],
)
def test_tables_replace_what_cannot_be_shown(
    empq: Empq, fake_hub: FakeHub, environment: dict[str, str]
) -> None:
    fake_hub.answer("GET /api/jobs", page(3))

    listed = empq("jobs", **environment)

    assert (listed.returncode, listed.stderr) == (0, b"")
    assert b"j2" in listed.stdout


def test_a_narrow_terminal_gets_every_cell_of_a_row_on_a_line(
    empq: Empq, fake_hub: FakeHub
) -> None:
    fake_hub.answer("GET /api/jobs", page(2))

    lines = empq("jobs", COLUMNS="40").stdout.decode().splitlines()

    assert [line.split("  ")[:3] for line in lines] == [
        [f"j{number}", NAME, "in_progress"] for number in range(2)
    ]


def test_a_table_gives_up_columns_before_it_breaks_words(empq: Empq, fake_hub: FakeHub) -> None:
    fake_hub.answer("GET /api/jobs", page(1))

    headings = [
        empq("jobs", COLUMNS=width).stdout.decode().split("\n")[0] for width in ("100", "80")
    ]

    assert [heading.split() for heading in headings] == [
        ["id", "type", "status", "priority", "customer", "worker", "progress", "created"],
        ["id", "type", "status", "priority", "worker", "progress", "created"],
    ]


def test_a_state_that_does_not_exist_is_answered_with_those_that_do(
    empq: Empq, fake_hub: FakeHub
) -> None:
    refused = empq("jobs", "--status", "runing")

    assert refused.returncode == 2
    assert refused.stderr.startswith(b"empq: --status runing: expected one of pending, queued, ")
    assert fake_hub.requests == []


def test_the_version_is_told(empq: Empq) -> None:
    assert empq("--version").stdout.startswith(b"empq ")


def test_json_is_the_hubs_bytes(empq: Empq, fake_hub: FakeHub) -> None:
    fake_hub.answer("GET /api/jobs/j1", Answer(200, EXACT))

    shown = empq("job", "j1", "--json", PYTHONIOENCODING="ascii")

    assert shown.stdout == EXACT + b"\n"


def test_a_job_is_shown_with_every_digit(empq: Empq, fake_hub: FakeHub) -> None:
    fake_hub.answer("GET /api/jobs/j1", Answer(200, EXACT))

    shown = empq("job", "j1")

    assert b"6687881544318117707" in shown.stdout
    assert b"19933688932870350000" in shown.stdout
    assert "écran 🎨".encode() in shown.stdout


def test_control_characters_of_others_do_not_reach_the_terminal(
    empq: Empq, fake_hub: FakeHub
) -> None:
    fake_hub.answer("GET /api/jobs/j1", {"id": "j1", "type": "\x1b[2Jboo", "status": "queued"})

    assert b"\x1b" not in empq("job", "j1").stdout


def test_a_reader_that_goes_away_is_no_error(
    fake_hub: FakeHub, clean_environment: dict[str, str]
) -> None:
    fake_hub.answer("GET /api/jobs", page(1000))
    process = subprocess.Popen(
        (sys.executable, "-m", "empq", "jobs", "--limit", "1000", "--hub", fake_hub.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment,
    )
    assert process.stdout and process.stderr

    process.stdout.readline()
    process.stdout.close()

    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 0


def test_submit_sends_what_was_typed(empq: Empq, fake_hub: FakeHub, tmp_path: Path) -> None:
    fake_hub.answer("POST /api/jobs", {"id": "j9", "status": "queued"}, status=201)
    needs = tmp_path / "needs.json"
    needs.write_text('{"service_type": "comfyui"}\n')

    sent = empq(
        *("submit", "t", "-p", "seed=6687881544318117707", "-p", "f=0.1000", "-p", "text=a=b"),
        *("--needs", f"@{needs}", "--priority", "0", "--customer", NAME, "--key", "k1"),
    )

    assert sent.stdout == b"j9\n"
    request = fake_hub.requests[0]
    assert b'"payload":{"seed":6687881544318117707,"f":0.1000,"text":"a=b"}' in request.body
    assert json.loads(request.body)["requirements"] == {"service_type": "comfyui"}
    assert json.loads(request.body)["customer_id"] == NAME
    assert json.loads(request.body)["priority"] == 0
    assert request.headers["Authorization"] == "Bearer k1"


def test_submit_knows_every_field_of_a_job_that_people_use(empq: Empq, fake_hub: FakeHub) -> None:
    fake_hub.answer("POST /api/jobs", {"id": "j9", "status": "pending"}, status=201)

    sent = empq(
        *("submit", "t", "--workflow", "w", "--after", "j1", "--after", "j2", "--delay", "1.5"),
        *("--deadline", "2030-01-01T00:00:00Z", "--timeout", "60", "--retries", "0"),
        *("--metadata", "a=b=c", "--once", "k-1"),
    )

    assert sent.returncode == 0, sent.stderr
    assert json.loads(fake_hub.requests[0].body) == {
        "type": "t",
        "payload": {},
        "workflow_id": "w",
        "depends_on": ["j1", "j2"],
        "delay_seconds": 1.5,
        "deadline": "2030-01-01T00:00:00Z",
        "timeout_seconds": 60.0,
        "max_retries": 0,
        "metadata": {"a": "b=c"},
    }
    assert fake_hub.requests[0].headers["Idempotency-Key"] == "k-1"
    assert empq("submit", "t", "--metadata", "a").returncode == 2


def test_a_payload_from_standard_input_keeps_its_bytes(empq: Empq, fake_hub: FakeHub) -> None:
    fake_hub.answer("POST /api/jobs", {"id": "j9", "status": "queued"}, status=201)

    empq("submit", "t", "--payload", "-", stdin=b' {"a": [], "b": {} , "c": 1e400}\n')

    assert b'"payload":{"a": [], "b": {} , "c": 1e400}' in fake_hub.requests[0].body


def test_the_key_of_empq_up_is_found_for_this_machine_only(
    empq: Empq, fake_hub: FakeHub, clean_environment: dict[str, str]
) -> None:
    folder = Path(clean_environment["XDG_DATA_HOME"]) / "empq"
    folder.mkdir(parents=True)
    (folder / "admin.key").write_text("kept\n")
    fake_hub.answer("GET /api/jobs", page(0))

    assert empq("jobs").stdout == b"no jobs\n"
    empq("jobs", EMPQ_ADMIN_KEY="stated")

    sent = [request.headers["Authorization"] for request in fake_hub.requests]
    assert sent == ["Bearer kept", "Bearer stated"]


def events(*lines: tuple[str, dict[str, object]]) -> Answer:
    text = "".join(
        f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
        for number, (name, data) in enumerate(lines)
    )
    return Answer(200, text.encode(), "text/event-stream")


def answer_a_watched_job(hub: FakeHub) -> None:
    hub.answer(
        "GET /api/jobs/j1/events",
        events(
            ("job_queued", {"status": "queued", "job_id": "j1"}),
            ("job_update", {"status": "in_progress", "worker_id": "sim-1", "progress": 40.5}),
        ),
        events(("job_completed", {"status": "completed", "worker_id": "sim-1"})),
    )
    hub.answer(
        "GET /api/jobs/j1/wait",
        {
            "id": "j1",
            "type": "t",
            "status": "completed",
            "worker_id": "sim-1",
            "result": {"n": 1},
            "artifacts": [{"name": "a.png"}],
        },
    )


def test_watch_prints_lines_and_goes_on_after_a_broken_stream(
    empq: Empq, fake_hub: FakeHub
) -> None:
    answer_a_watched_job(fake_hub)

    watched = empq("watch", "j1")

    assert watched.returncode == 0
    assert watched.stdout.decode().splitlines() == [
        "queued",
        "in_progress on sim-1 40%",
        "completed on sim-1",
        "completed by sim-1",
        '  result {"n": 1}',
        "  artifact a.png",
    ]
    streams = [one for one in fake_hub.requests if one.path.endswith("/events")]
    assert streams[1].headers["Last-Event-ID"] == "1"


def test_watch_says_why_no_worker_takes_the_job(empq: Empq, fake_hub: FakeHub) -> None:
    answer_a_watched_job(fake_hub)
    change = {"path": "hardware.gpu_memory_gb", "from": 80, "to": 24}
    fake_hub.answer(
        "GET /api/jobs/j1/explain",
        {
            "verdict": "never",
            "summary": "1 worker: 1 lacks 80 GB of GPU memory",
            "nearest_miss": {"change": change, "worker_id": "sim-1", "opens": ["sim-1"]},
        },
    )

    watched = empq("watch", "j1")

    assert watched.stdout.decode().splitlines()[:3] == [
        "no worker can take it yet: 1 worker: 1 lacks 80 GB of GPU memory",
        "nearest miss: hardware.gpu_memory_gb 80 -> 24 would open sim-1",
        "queued",
    ]


def test_watch_json_is_one_event_a_line(empq: Empq, fake_hub: FakeHub) -> None:
    answer_a_watched_job(fake_hub)

    watched = empq("watch", "j1", "--json")

    lines = [json.loads(line) for line in watched.stdout.splitlines()]
    assert [line["status"] for line in lines] == ["queued", "in_progress", "completed"]
    assert watched.returncode == 0


def test_watch_draws_a_bar_on_a_terminal(
    fake_hub: FakeHub, clean_environment: dict[str, str]
) -> None:
    answer_a_watched_job(fake_hub)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        (sys.executable, "-m", "empq", "watch", "j1", "--hub", fake_hub.url),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**clean_environment, "TERM": "xterm"},
    ) as process:
        os.close(theirs)
        seen = b""
        while chunk := _read(ours):
            seen += chunk
        assert process.wait(60) == 0
    os.close(ours)

    assert b"40%" in seen
    assert b"completed by sim-1" in seen


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux says EIO when the other side of a terminal has closed
        return b""


def test_explain_names_what_keeps_each_worker(empq: Empq, fake_hub: FakeHub) -> None:
    fake_hub.answer(
        "GET /api/jobs/j1/explain",
        {
            "summary": "1 worker lacks GPU memory",
            "verdict": "never",
            "eligible": 0,
            "total": 1,
            "workers": [
                {
                    "worker_id": "w1",
                    "eligible": False,
                    "score": None,
                    "dimensions": None,
                    "rejections": [
                        {"rule": "hardware.gpu_memory_gb", "required": 80, "offered": 24},
                        {"rule": "draining", "required": None, "offered": None},
                    ],
                }
            ],
            "nearest_miss": {
                "change": {"path": "hardware.gpu_memory_gb", "from": 80, "to": 24},
                "worker_id": "w1",
                "opens": ["w1"],
            },
        },
    )

    lines = empq("explain", "j1").stdout.decode().splitlines()

    assert lines[0] == "never: 1 worker lacks GPU memory"
    assert "80 -> 24" in lines[1]
    assert "hardware.gpu_memory_gb: needs 80, offers 24; draining" in lines[-1]


def test_the_other_tables(empq: Empq, fake_hub: FakeHub) -> None:
    fake_hub.answer(
        "GET /api/workers",
        {
            "workers": [
                {
                    "worker_id": "gpu-1",
                    "status": "busy",
                    "slots": {"total": 2, "held": 1},
                    "capabilities": {
                        "services": [{"name": "comfyui", "models": "all"}],
                        "hardware": {"gpu_memory_gb": 24},
                    },
                    "current_jobs": [{"job_id": "j7", "attempt": 1}],
                    "last_heartbeat": "2026-11-25T04:00:00.000Z",
                }
            ]
        },
    )
    fake_hub.answer("GET /api/stats", {"depth": 3, "jobs": {"queued": 3, "failed": 0}})

    fleet = empq("workers").stdout.decode()
    figures = empq("stats").stdout.decode()

    assert fleet.splitlines()[1].split()[:6] == ["gpu-1", "busy", "1/2", "comfyui", "24", "GB"]
    assert ["jobs.failed", "0"] in [line.split() for line in figures.splitlines()]


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "submit",
        "wait",
        "watch",
        "job",
        "jobs",
        "cancel",
        "retry",
        "explain",
        "match",
        "workers",
        "drain",
        "resume",
        "stats",
        "pause",
        "customers",
        "queues",
    ],
)
def test_every_command_has_help_with_an_example(empq: Empq, command: str) -> None:
    shown = empq(command, "--help")

    assert shown.returncode == 0
    assert f"Example: empq {command}".encode() in shown.stdout
