"""Every REST call of the hub, in one table: read this first. Source: contract.md, "REST"."""

from __future__ import annotations

from empq.api import artifacts, attempts, bulk, health, jobs, queue_views, sse, workers
from empq.api.routing import Route
from empq.messages import rest

ROUTES: tuple[Route, ...] = (
    Route("POST", "/api/jobs", jobs.submit_job, "Submit a job", rest.JobRequest, status=201, answer=rest.Submitted),
    Route("POST", "/api/jobs/batch", jobs.submit_batch, "Submit up to 10,000 jobs", rest.BatchRequest, status=201),
    Route("GET", "/api/jobs", jobs.list_jobs, "List jobs, newest first", query=jobs.ListQuery),
    Route("POST", "/api/jobs/cancel", bulk.cancel_jobs, "Cancel all jobs of a filter", rest.BulkRequest),
    Route("POST", "/api/jobs/retry", bulk.retry_jobs, "Retry all jobs of a filter", rest.BulkRequest),
    Route("GET", "/api/jobs/{job_id}", jobs.read_job, "Read a job", query=jobs.FieldsQuery),
    Route("PATCH", "/api/jobs/{job_id}", jobs.reprioritise_job, "Change a job's priority", rest.PriorityRequest),
    Route("DELETE", "/api/jobs/{job_id}", jobs.delete_job, "Delete an ended job and all that is its own", status=204),
    Route("POST", "/api/jobs/{job_id}/cancel", jobs.cancel_job, "Cancel a job", rest.CancelRequest),
    Route("POST", "/api/jobs/{job_id}/retry", jobs.retry_job, "Submit an ended job again", rest.Nothing, status=201, answer=rest.Submitted),
    Route("GET", "/api/jobs/{job_id}/wait", jobs.wait_for_job, "Wait for a job's end", query=jobs.WaitQuery),
    Route("GET", "/api/jobs/{job_id}/events", sse.stream_job_events, "A job's events as server-sent events"),
    Route("GET", "/api/jobs/{job_id}/explain", jobs.explain_job, "Why a job waits", query=jobs.ExplainQuery),
    Route("POST", "/api/match", queue_views.match_requirements, "Which workers could take this", rest.MatchRequest, jobs.ExplainQuery),
    Route("GET", "/api/jobs/{job_id}/artifacts", artifacts.list_artifacts, "List a job's artifacts"),
    Route("PUT", "/api/jobs/{job_id}/artifacts/{name}", artifacts.upload_artifact, "Upload an artifact", bytes, artifacts.UploadQuery, status=201),
    Route("GET", "/api/jobs/{job_id}/artifacts/{name}", artifacts.download_artifact, "Download an artifact"),
    Route("POST", "/api/jobs/{job_id}/accept", attempts.accept_attempt, "Accept an attempt", rest.AcceptRequest),
    Route("POST", "/api/jobs/{job_id}/progress", attempts.report_progress, "Report progress", rest.ProgressRequest),
    Route("POST", "/api/jobs/{job_id}/complete", attempts.complete_attempt, "Complete an attempt", rest.CompleteRequest),
    Route("POST", "/api/jobs/{job_id}/fail", attempts.fail_attempt, "Fail an attempt", rest.FailRequest),
    Route("POST", "/api/jobs/{job_id}/release", attempts.release_attempt, "Give an attempt back", rest.ReleaseRequest),
    Route("POST", "/api/workers", workers.register_worker, "Register a worker", rest.RegisterWorker, status=201, answer=rest.Registered),
    Route("GET", "/api/workers", workers.list_workers, "List workers"),
    Route("GET", "/api/workers/{worker_id}", workers.read_worker, "Read a worker"),
    Route("PATCH", "/api/workers/{worker_id}", workers.patch_worker, "Change a worker's capabilities", rest.CapabilityChanges),
    Route("DELETE", "/api/workers/{worker_id}", workers.remove_worker, "Remove a worker; what it holds is released", status=204),
    Route("POST", "/api/workers/{worker_id}/claim", workers.claim_jobs, "Claim jobs, waiting for the first", rest.ClaimRequest, workers.ClaimQuery),
    Route("POST", "/api/workers/{worker_id}/heartbeat", workers.heartbeat_worker, "Keep a worker and its attempts alive", rest.HeartbeatRequest, answer=rest.HeartbeatAnswer),
    Route("POST", "/api/workers/{worker_id}/drain", workers.drain_worker, "Give a worker nothing new", rest.DrainRequest),
    Route("POST", "/api/workers/{worker_id}/resume", workers.resume_worker, "Give a drained worker jobs again", rest.Nothing),
    Route("GET", "/api/workflows/{workflow_id}", queue_views.read_workflow, "Read a workflow", query=queue_views.WorkflowQuery),
    Route("POST", "/api/workflows/{workflow_id}/cancel", queue_views.cancel_workflow, "Cancel what is left of a workflow", rest.CancelRequest, queue_views.WorkflowQuery),
    Route("GET", "/api/stats", queue_views.read_statistics, "Depth, waits and rates"),
    Route("GET", "/livez", health.tell_liveness, "Whether the process answers", is_open=True),
    Route("GET", "/readyz", health.tell_readiness, "Whether the hub may take work", is_open=True),
    Route("GET", "/metrics", health.tell_metrics, "Prometheus metrics"),
)  # fmt: skip
