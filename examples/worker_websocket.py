"""A worker over one WebSocket, written against the contract alone: it counts `count` jobs up, with progress.
Run: EMPQ_TOKEN=<key> python examples/worker_websocket.py ws://127.0.0.1:8000 my-worker
Try: empq submit count -p to=10 --needs '{"service_type": "counting"}' --watch
"""

import asyncio
import json
import os
import sys

from websockets.asyncio.client import connect

HUB, WORKER, TOKEN = sys.argv[1] + "/ws/worker", sys.argv[2], os.environ.get("EMPQ_TOKEN", "")
CAPABILITIES = {"services": [{"name": "counting", "models": "all"}], "job_types": ["count"]}
held = {}  # job id -> (attempt, task); only what heartbeats list stays ours


async def run(job, send):
    fence = {name: job[name] for name in ("job_id", "attempt", "lease")}
    try:
        for number in range(last := int(job["payload"]["to"])):
            await send("update_job_progress", **fence, progress=100 * number / last)
            await asyncio.sleep(0.2)
        await send("complete_job", **fence, result={"counted": last})
    except (KeyError, TypeError, ValueError):
        await send("fail_job", **fence, error="payload.to must be a number", retry=False)
    except asyncio.CancelledError:  # cancel_job: the hub waits for word that the slot is free
        await send("release_job", **fence)
    del held[job["job_id"]]
    await send("claim_job")


async def heartbeats(registered, send):
    while True:
        await asyncio.sleep(registered["heartbeat_ms"] / 1000)
        jobs = [{"job_id": job, "attempt": attempt} for job, (attempt, _) in held.items()]
        await send("worker_heartbeat", current_jobs=jobs)


async def main():
    async with connect(HUB, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as socket:

        def send(type, **fields):
            return socket.send(json.dumps({"type": type, **fields}))

        await send("register_worker", worker_id=WORKER, capabilities=CAPABILITIES, protocol=1)
        beating = asyncio.create_task(heartbeats(json.loads(await socket.recv()), send))
        await send("claim_job")
        async for frame in socket:
            match json.loads(frame):
                case {"type": "job_assigned", "assignment": job}:
                    held[job["job_id"]] = (job["attempt"], asyncio.create_task(run(job, send)))
                case {"type": "cancel_job", "job_id": job_id} if job_id in held:
                    held[job_id][1].cancel()
                case {"type": "no_job"}:
                    await send("claim_job")
        beating.cancel()


asyncio.run(main())
