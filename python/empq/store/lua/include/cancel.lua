-- @include customers
-- @include slots
-- @include history
-- @include end_job
-- A cancellation, immediate and final; a held job's slot stays held until its worker answers, at most 30 s.
local UNANSWERED_MS = 30000

local function cancel(changes, id, job, code, reason)
  local before, worker_id = job[J.state], ""
  if before == "queued" or before == "pending" then
    stop_waiting(changes, id, job)
  else
    worker_id = job[J.worker]
    job[J.outcome] = "cancelled"
    settle_charge(changes, job)
    local worker = changes.known[worker_id]
    local index = worker and held_index(worker, id, job[J.attempt])
    if index then
      worker[W.held][index][H.cancelled], worker[W.held][index][H.reason] = changes.data.clock + UNANSWERED_MS, reason
      keep_worker(changes, worker_id, worker, true)
    end
    add_to(changes.zadd, KEY.deadlines, changes.data.clock + UNANSWERED_MS, id)
  end
  end_job(changes, id, job, "cancelled", code, reason, "")
  count(changes, job, before, "cancelled")
  tell_event(changes, id, job, "job_cancelled", worker_id, worker_id ~= "" and "cancelled" or "", code, reason)
  keep_job(changes, id, job)
end
