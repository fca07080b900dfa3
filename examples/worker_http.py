"""A worker over plain HTTP, written against the contract alone: it answers `shout` jobs with their text in capitals.
Run: EMPQ_TOKEN=<key> python examples/worker_http.py http://127.0.0.1:8000 my-worker
Try: empq submit shout -p text=hello --needs '{"service_type": "shouting"}' --wait
"""

import json
import os
import sys
import threading
import urllib.request
from contextlib import suppress
from urllib.error import HTTPError

HUB, WORKER = sys.argv[1].rstrip("/"), sys.argv[2]
CAPABILITIES = {"services": [{"name": "shouting", "models": "all"}], "job_types": ["shout"]}
held = {}  # job id -> attempt; only what heartbeats list stays ours


def call(path, body, seconds=60):
    headers = {"Authorization": f"Bearer {os.environ.get('EMPQ_TOKEN', '')}"}
    request = urllib.request.Request(HUB + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        return json.loads(answer.read() or b"null")


def heartbeat():
    jobs = [{"job_id": job, "attempt": attempt} for job, attempt in list(held.items())]
    call(f"/api/workers/{WORKER}/heartbeat", {"current_jobs": jobs})


def heartbeats(every_seconds):
    while not threading.Event().wait(every_seconds):
        heartbeat()


def run(job):
    fence = {name: job[name] for name in ("attempt", "lease")} | {"worker_id": WORKER}
    base = f"/api/jobs/{job['job_id']}"
    try:
        text = job["payload"]["text"]
        call(f"{base}/progress", fence | {"progress": 50, "message": "breathing in"})
        call(f"{base}/complete", fence | {"result": {"text": text.upper()}})
    except (KeyError, TypeError, AttributeError):
        call(f"{base}/fail", fence | {"error": "payload.text must be a string", "retry": False})


def main():
    registered = call("/api/workers", {"worker_id": WORKER, "capabilities": CAPABILITIES})
    every_seconds = registered["heartbeat_ms"] / 1000
    threading.Thread(target=heartbeats, args=(every_seconds,), daemon=True).start()
    while True:
        for job in call(f"/api/workers/{WORKER}/claim?wait_ms=20000", {})["jobs"]:
            held[job["job_id"]] = job["attempt"]
            with suppress(HTTPError):  # 409: cancelled, or somebody else's by now
                run(job)
            del held[job["job_id"]]
            heartbeat()  # one that leaves the job out frees its slot also then


main()
