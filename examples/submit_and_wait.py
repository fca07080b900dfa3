"""Submit a job and wait for its result.

Run: EMPQ_ADMIN_KEY=<key> python examples/submit_and_wait.py
"""

import os

from empq.client import SyncClient

hub = os.environ.get("EMPQ_HUB", "http://127.0.0.1:8000")
with SyncClient(hub, os.environ.get("EMPQ_ADMIN_KEY")) as client:
    job = client.submit("simulation", {"steps": 5, "step_ms": 100})
    print(client.wait(job["id"])["result"])
